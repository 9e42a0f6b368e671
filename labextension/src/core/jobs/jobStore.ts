/** The state of one job, as sent by the kernel. Independent of DOM and transport. */
import { rerunNote } from './jobActions';
import { decodeCurve } from '../curves/curveData';
import { isLive } from './jobText';
import { Store } from '../store';
import { appendLines } from '../log/logLines';
import type { Answer, RequestTypes, Bytes, FromKernel, RequestName } from '../protocol/messages';
import { LATE_AFTER_MS } from '../protocol/requests';
import type { Curve, Job, StateName } from '../jobTypes';
import type { ActionState, Action, JobSource, JobView } from './views';

/** Minimum interval between resend requests, so that a kernel that cannot answer is not flooded. */
const RESEND_SECONDS = 2;

/** Messages from a store to the kernel. */
export interface JobChannel {
  ready(): void;
  ask(name: RequestName, args: object): Promise<unknown>;
  /** Shows another job. */
  open(uid: string): void;
}

/** Whether the job's state shows that an action is complete or no longer possible. */
const IS_SETTLED: Record<Action, (state: StateName) => boolean> = {
  stop: state => !isLive(state),
  resume: state => state !== 'Stopped' && state !== 'Suspended',
  delete: state => state === 'Deleted',
  rerun: () => false
};

const EMPTY_VIEW: JobView = {
  job: null,
  skew: 0,
  nodes: [],
  curves: new Map(),
  log: [],
  acting: { is: 'idle' },
  late: false
};

export class JobStore extends Store<JobView> implements JobSource {
  private seq: number | null = null;
  private resendRequestedAt = -Infinity;
  /** Delays a resend request that follows the last one too soon. */
  private resendTimer: ReturnType<typeof setTimeout> | undefined;
  private lateRequests = 0;

  /** `clock` is our clock in unix seconds. */
  constructor(
    readonly uid: string,
    private readonly channel: JobChannel,
    private readonly clock: () => number
  ) {
    super(EMPTY_VIEW);
  }

  async ask<W extends RequestName>(name: W, args: RequestTypes[W][0]): Promise<Answer<W>> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.lateRequests += 1;
      this.change({ late: true });
    }, LATE_AFTER_MS);
    try {
      return (await this.channel.ask(name, args)) as Answer<W>;
    } finally {
      clearTimeout(timer);
      if (late) {
        this.lateRequests -= 1;
        this.change({ late: this.lateRequests > 0 });
      }
    }
  }

  act = (action: Action): void => {
    const requested: ActionState = { is: 'requested', action };
    this.change({ acting: requested });
    /** Sets the outcome, unless another action was started meanwhile. */
    const settle = (acting: ActionState): void => {
      if (this.current.acting === requested) {
        this.change({ acting });
      }
    };
    this.ask(action, {}).then(
      answer => {
        if (action !== 'rerun') {
          const { job } = this.current;
          settle(job !== null && IS_SETTLED[action](job.state) ? { is: 'idle' } : { is: 'done', action });
          return;
        }
        const { uid, differences } = answer as Answer<'rerun'>;
        this.channel.open(uid);
        const message = rerunNote(differences);
        settle(message === '' ? { is: 'idle' } : { is: 'noted', action, message });
      },
      (error: Error) => settle({ is: 'refused', action, message: error.message })
    );
  };

  /** Takes a snapshot. The clock skew is measured only from a `fresh` one, which has just been sent. */
  setJob(job: Job, { fresh }: { fresh: boolean }): void {
    const { acting } = this.current;
    const settled =
      acting.is === 'done' || (acting.is === 'requested' && IS_SETTLED[acting.action](job.state));
    this.change({
      job,
      skew: fresh ? job.now - this.clock() : this.current.skew,
      acting: settled ? { is: 'idle' } : acting
    });
  }

  /** Takes a message of this job. Unknown kinds, from a newer kernel, are ignored. */
  receive(message: FromKernel, buffers: readonly Bytes[]): void {
    switch (message.kind) {
      case 'head':
        this.setJob(message.head, { fresh: true });
        break;
      case 'curves':
        this.checkSequence(message.seq, message.reset);
        this.change({ curves: this.withCurves(message, buffers) });
        break;
      case 'nodes':
        this.checkSequence(message.seq, message.reset);
        this.change({ nodes: message.nodes });
        break;
      case 'log':
        this.checkSequence(message.seq, message.reset);
        this.change({
          log: appendLines(
            message.reset ? [] : this.current.log,
            message.lines,
            message.skipped,
            message.before
          )
        });
        break;
    }
  }

  private withCurves(
    message: FromKernel & { kind: 'curves' },
    buffers: readonly Bytes[]
  ): ReadonlyMap<string, Curve> {
    const curves = new Map(message.reset ? [] : this.current.curves);
    message.curves.forEach(({ name, ranks, points }, i) => {
      const buffer = buffers[i];
      if (buffer !== undefined) {
        curves.set(name, decodeCurve(buffer, points, ranks));
      }
    });
    return curves;
  }

  private checkSequence(seq: number, reset: boolean): void {
    const lost = !reset && this.seq !== null && seq !== this.seq + 1;
    this.seq = seq;
    if (reset) {
      clearTimeout(this.resendTimer);
      this.resendTimer = undefined;
    } else if (lost && this.resendTimer === undefined) {
      const early = this.resendRequestedAt + RESEND_SECONDS - this.clock();
      if (early > 0) {
        this.resendTimer = setTimeout(() => this.requestResend(), early * 1000);
      } else {
        this.requestResend();
      }
    }
  }

  private requestResend(): void {
    this.resendTimer = undefined;
    this.resendRequestedAt = this.clock();
    this.channel.ready();
  }
}
