/** A job as views see it: what the kernel sends, and the interface that every view draws from. */

/** Where a job is, in one word; the order is the order of life. */
export type StateName =
  'Queued' | 'Starting' | 'Running' | 'Stopped' | 'Suspended' | 'Complete' | 'Failed' | 'Deleted';

/** One stretch of a job's life; times are unix seconds of the kernel's clock. */
export interface Phase {
  name: string;
  started: number;
  ended: number | null;
}

/** Why a job failed. Every string comes from a pod. */
export interface Failure {
  headline: string;
  rank: number | null;
  where: string;
  source: string;
  traceback: string;
  remedy: string;
}

/** The small snapshot: the synced trait `state`. */
export interface Job {
  name: string;
  namespace: string;
  /** Where it runs, in words: `this computer` or the context's name. */
  place: string;
  state: StateName;
  runtime: string;
  nodes: number;
  reason: string;
  phases: Phase[];
  created: number;
  finished: number | null;
  step: number | null;
  total: number | null;
  eta: number | null;
  progress: number | null;
  /** Last values in the order of first report. Not every number travels in JSON: NaN and infinities are words. */
  metrics: [name: string, value: number | string][];
  ranks_running: number;
  failure: Failure | null;
  /** The kernel's clock when it sent this. */
  now: number;
}

/** One line that a rank wrote. */
export interface LogLine {
  time: number;
  rank: number;
  text: string;
}

/** One metric over steps: the mean over ranks, and the range between the lowest and the highest rank. */
export interface Curve {
  ranks: number;
  x: Float64Array;
  mean: Float64Array;
  low: Float64Array;
  high: Float64Array;
}

/** How far a request to stop is. */
export type Stopping = { is: 'idle' } | { is: 'asked'; since: number } | { is: 'refused'; message: string };

/** Everything that is drawn, replaced as a whole on each change. */
export interface View {
  job: Job | null;
  /** The kernel's clock minus ours, in seconds. */
  skew: number;
  curves: ReadonlyMap<string, Curve>;
  log: readonly LogLine[];
  stopping: Stopping;
}

/** What components draw from: the widget's comm, later the sidebar's watch. */
export interface Source {
  view(): View;
  subscribe(changed: () => void): () => void;
  stop(): void;
}

/** From the kernel. A gap in `seq` means that something was lost. `reset` replaces what is there. */
export type FromKernel =
  | { kind: 'curves'; seq: number; reset: boolean; curves: { name: string; ranks: number; points: number }[] }
  | { kind: 'log'; seq: number; reset: boolean; lines: [time: number, rank: number, text: string][] }
  | { kind: 'refused'; message: string };

/** To the kernel: `ready` asks for everything from the start. */
export type ToKernel = { kind: 'ready' } | { kind: 'stop' };
