/** Keeps what the kernel sent of one job and tells who listens. No DOM, no transport. */
import { decode } from './curves';
import { isLive } from './describe';
import { Held } from './held';
import { append } from './log';
import type { Answer, Asks, Bytes, FromKernel, What } from './protocol';
import { PATIENCE_MS } from './requests';
import type { Acting, Action, Curve, Job, Source, StateName, View } from './types';
import { trans } from './words';

/** At most one request for everything in this time, so that a kernel that cannot answer is not asked for ever. */
const RESEND_SECONDS = 2;

/** What a store says to the kernel. */
export interface Line {
  ready(): void;
  ask(what: What, args: object): Promise<unknown>;
  /** Another job is to be shown. */
  open(uid: string): void;
}

/** Whether an action has been carried out, as the job's state shows. */
const SETTLED: Record<Action, (state: StateName) => boolean> = {
  stop: state => !isLive(state),
  resume: state => state !== 'Stopped' && state !== 'Suspended',
  delete: state => state === 'Deleted',
  rerun: () => false
};

const NOTHING: View = {
  job: null,
  skew: 0,
  nodes: [],
  curves: new Map(),
  log: [],
  acting: { is: 'idle' },
  late: false
};

export class JobStore extends Held<View> implements Source {
  private seq: number | null = null;
  private askedAt = -Infinity;
  /** Will ask for what was lost too soon after the last request. */
  private again: ReturnType<typeof setTimeout> | undefined;
  private overdue = 0;

  /** `clock` is our clock in unix seconds. */
  constructor(
    readonly uid: string,
    private readonly line: Line,
    private readonly clock: () => number
  ) {
    super(NOTHING);
  }

  async ask<W extends What>(what: W, args: Asks[W][0]): Promise<Answer<W>> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.overdue += 1;
      this.change({ late: true });
    }, PATIENCE_MS);
    try {
      return (await this.line.ask(what, args)) as Answer<W>;
    } finally {
      clearTimeout(timer);
      if (late) {
        this.overdue -= 1;
        this.change({ late: this.overdue > 0 });
      }
    }
  }

  act = (what: Action): void => {
    const asked: Acting = { is: 'asked', what };
    this.change({ acting: asked });
    /** What has become of it, unless another action was asked for meanwhile. */
    const became = (acting: Acting): void => {
      if (this.current.acting === asked) {
        this.change({ acting });
      }
    };
    this.ask(what, {}).then(
      answer => {
        if (what !== 'rerun') {
          became({ is: 'done', what });
          return;
        }
        const { uid, differences } = answer as Answer<'rerun'>;
        this.line.open(uid);
        became(
          differences.length === 0
            ? { is: 'idle' }
            : { is: 'noted', what, message: trans.__('Not as it was: %1', differences.join(' ')) }
        );
      },
      (error: Error) => became({ is: 'refused', what, message: error.message })
    );
  };

  /** Takes a snapshot. Only where it has just been sent does its time tell how far the clocks are apart. */
  setJob(job: Job, { fresh }: { fresh: boolean }): void {
    const { acting } = this.current;
    const settled = acting.is === 'done' || (acting.is === 'asked' && SETTLED[acting.what](job.state));
    this.change({
      job,
      skew: fresh ? job.now - this.clock() : this.current.skew,
      acting: settled ? { is: 'idle' } : acting
    });
  }

  /** Takes a message of this job. Unknown kinds are a newer kernel's, and left alone. */
  receive(message: FromKernel, buffers: readonly Bytes[]): void {
    switch (message.kind) {
      case 'head':
        this.setJob(message.head, { fresh: true });
        break;
      case 'curves':
        this.follow(message.seq, message.reset);
        this.change({ curves: this.withCurves(message, buffers) });
        break;
      case 'nodes':
        this.follow(message.seq, message.reset);
        this.change({ nodes: message.nodes });
        break;
      case 'log':
        this.follow(message.seq, message.reset);
        this.change({
          log: append(message.reset ? [] : this.current.log, message.lines, message.skipped, message.before)
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
        curves.set(name, decode(buffer, points, ranks));
      }
    });
    return curves;
  }

  private follow(seq: number, reset: boolean): void {
    const lost = !reset && this.seq !== null && seq !== this.seq + 1;
    this.seq = seq;
    if (reset) {
      clearTimeout(this.again);
      this.again = undefined;
    } else if (lost && this.again === undefined) {
      const early = this.askedAt + RESEND_SECONDS - this.clock();
      if (early > 0) {
        this.again = setTimeout(() => this.askAgain(), early * 1000);
      } else {
        this.askAgain();
      }
    }
  }

  private askAgain(): void {
    this.again = undefined;
    this.askedAt = this.clock();
    this.line.ready();
  }
}
