/** A job as views see it, and the interface that every view draws from. */
import type { Answer, Asks, What } from './protocol';

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
  /** Which of several ranks failed first, and how the others ended. */
  first: string;
}

/** The small snapshot: the synced trait `state` for the first job, a message for others. */
export interface Job {
  uid: string;
  name: string;
  namespace: string;
  /** Where it runs, in words: `this computer` or the context's name. */
  place: string;
  state: StateName;
  runtime: string;
  nodes: number;
  procs_per_node: number;
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
  /** Name of the newest checkpoint. */
  checkpoint: string | null;
  failure: Failure | null;
  /** The kernel's clock when it sent this. */
  now: number;
}

/** What a node uses. `busy` is a share; processors in cores, memory in bytes. */
export interface Usage {
  time: number;
  cpu: number;
  cpu_limit: number | null;
  memory: number;
  memory_limit: number | null;
  gpus: Gpu[];
}

export interface Gpu {
  name: string;
  busy: number | null;
  memory: number;
  memory_total: number;
}

/** A process of a node: how far it is, and how long a step takes it, in seconds. */
export interface Rank {
  rank: number;
  step: number | null;
  step_time: number | null;
  slow: boolean;
}

export type NodeState = 'Waiting' | 'Starting' | 'Running' | 'Succeeded' | 'Failed' | 'Stopped' | 'Gone';

/** One pod of the job. */
export interface Node {
  index: number;
  pod: string;
  /** The machine that it runs on. */
  host: string;
  state: NodeState;
  reason: string;
  restarts: number;
  exit_code: number | null;
  usage: Usage | null;
  ranks: Rank[];
}

/** One line that a node wrote. */
export interface LogLine {
  /** Tells it from the others, and rises in the order of arrival. */
  number: number;
  time: number;
  /** The moment by which it is placed: of a row that is overwritten in place, the first one. */
  at: number;
  node: number;
  text: string;
  /** Names a row that the program overwrites. */
  row?: number | undefined;
  /** How many lines before it were left out in a flood. */
  skipped: number;
  /** Where the lines before it can be asked for. */
  before: string | null;
}

/** One metric over steps: the mean over ranks, and the range between the lowest and the highest rank. */
export interface Curve {
  ranks: number;
  x: Float64Array;
  mean: Float64Array;
  low: Float64Array;
  high: Float64Array;
}

/** A job in a list of jobs. */
export interface JobRow {
  uid: string;
  name: string;
  namespace: string;
  state: StateName;
  created: number;
  finished: number | null;
  nodes: number;
  runtime: string;
  progress: number | null;
  eta: number | null;
  reason: string;
  metric: [name: string, value: number | string] | null;
}

/** What changes a job. */
export type Action = 'stop' | 'resume' | 'delete' | 'rerun';

/**
 * How far an action is. `done`: the kernel has answered, the job's new state has not come yet; `noted`: it was done, and
 * there is something to be said of it.
 */
export type Acting =
  | { is: 'idle' }
  | { is: 'asked' | 'done'; what: Action }
  | { is: 'refused' | 'noted'; what: Action; message: string };

/** Everything of one job that is drawn, replaced as a whole on each change. */
export interface View {
  job: Job | null;
  /** The kernel's clock minus ours, in seconds. */
  skew: number;
  nodes: readonly Node[];
  curves: ReadonlyMap<string, Curve>;
  log: readonly LogLine[];
  acting: Acting;
  /** A request waits for long: the kernel may be busy with a cell, or with what was asked. */
  late: boolean;
}

/** What components draw one job from: the widget's comm, later the sidebar's watch. */
export interface Source {
  view(): View;
  subscribe(changed: () => void): () => void;
  /** Asks the kernel; rejects with an `Error` whose message is for people. A kernel that is busy with a cell answers late (`View.late`). */
  ask<W extends What>(what: W, args: Asks[W][0]): Promise<Answer<W>>;
  /** Does something to the job; `View.acting` tells how it goes. */
  act(what: Action): void;
}

/** The jobs of one comm: those to choose from, where it is a panel, and those that are open. */
export interface Board {
  panel: boolean;
  /** Null until the kernel has told. */
  rows: readonly JobRow[] | null;
  /** Why the rows are not up to date; empty while they are. */
  trouble: string;
  open: readonly (Source & { uid: string })[];
}

/** What the whole widget draws from. */
export interface Boards {
  view(): Board;
  subscribe(changed: () => void): () => void;
  open(uid: string): void;
  close(uid: string): void;
}
