/** Keeps what the kernel sent and tells who listens: the `Source` behind the cell's widget. No DOM, no transport. */
import { decode } from './curves';
import { isLive } from './describe';
import { merge } from './log';
import type { Curve, FromKernel, Job, LogLine, Source, ToKernel, View } from './types';

/** At most one request for everything in this time, so that a kernel that cannot answer is not asked for ever. */
const RESEND_SECONDS = 2;

export class JobStore implements Source {
  private current: View = { job: null, skew: 0, curves: new Map(), log: [], stopping: { is: 'idle' } };
  private readonly listeners = new Set<() => void>();
  private seq: number | null = null;
  private askedAt = -Infinity;

  /** `send` reaches the kernel; `clock` is our clock in unix seconds. */
  constructor(
    private readonly send: (message: ToKernel) => void,
    private readonly clock: () => number = () => Date.now() / 1000
  ) {}

  view = (): View => this.current;

  subscribe = (changed: () => void): (() => void) => {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  };

  /** Asks the kernel for everything: on each (re)render, and when something was lost. */
  ready(): void {
    this.askedAt = this.clock();
    this.send({ kind: 'ready' });
  }

  stop = (): void => {
    this.change({ stopping: { is: 'asked', since: this.clock() } });
    this.send({ kind: 'stop' });
  };

  /** Takes the synced trait. Only where it has just been sent does its time tell how far the clocks are apart. */
  setJob(job: Job, { fresh }: { fresh: boolean }): void {
    if (typeof job?.name !== 'string') {
      return; // The trait before its first value.
    }
    const settled = this.current.stopping.is === 'asked' && !isLive(job.state);
    this.change({
      job,
      skew: fresh ? job.now - this.clock() : this.current.skew,
      stopping: settled ? { is: 'idle' } : this.current.stopping
    });
  }

  /** Takes a custom message. Unknown kinds are a newer kernel's, and left alone. */
  receive(message: FromKernel, buffers: readonly (ArrayBufferView | ArrayBuffer)[]): void {
    switch (message.kind) {
      case 'curves':
        this.follow(message.seq, message.reset);
        this.change({ curves: this.withCurves(message, buffers) });
        break;
      case 'log':
        this.follow(message.seq, message.reset);
        this.change({ log: merge(message.reset ? [] : this.current.log, message.lines.map(toLine)) });
        break;
      case 'refused':
        this.change({ stopping: { is: 'refused', message: message.message } });
        break;
    }
  }

  private withCurves(
    message: FromKernel & { kind: 'curves' },
    buffers: readonly (ArrayBufferView | ArrayBuffer)[]
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
    if (lost && this.clock() - this.askedAt > RESEND_SECONDS) {
      this.ready();
    }
  }

  private change(part: Partial<View>): void {
    this.current = { ...this.current, ...part };
    for (const changed of [...this.listeners]) {
      changed();
    }
  }
}

function toLine([time, rank, text]: [number, number, string]): LogLine {
  return { time, rank, text };
}
