/** The data of a job as the kernel sends it: the job, its nodes, log lines and curves. */

/** The state of a job, in the order of its lifecycle. */
export type StateName =
  'Queued' | 'Starting' | 'Running' | 'Stopped' | 'Suspended' | 'Complete' | 'Failed' | 'Deleted';

/** A phase of a job; times are unix seconds of the kernel's clock. */
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
  /** The display name of the cluster: `this computer` or the context's name. */
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
  /** Values now, the means over ranks, in the order of first report. NaN and infinities are sent as strings. */
  metrics: [name: string, value: number | string][];
  ranks_running: number;
  /** Nodes whose program exited successfully. */
  nodes_done: number;
  /** How often the whole job was restarted after a failure. */
  restarts: number;
  /** The expression that gives the job's handle in the notebook: its variable, or a call of `get`. */
  reach: string;
  /** Probable mistakes in the job, a sentence each. */
  warnings: string[];
  /** Name of the newest checkpoint. */
  checkpoint: string | null;
  failure: Failure | null;
  /** The kernel's clock when it sent this. */
  now: number;
}

/** The resource usage of a node. `busy` is a share; CPU in cores, memory in bytes. */
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

/** A process of a node: its step, and its time per step in seconds. */
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
  /** The machine of the pod. */
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
  /** Unique, and ascending in the order of arrival. */
  number: number;
  time: number;
  /** The time that lines are sorted by: for a row that is overwritten in place, the time of its first text. */
  at: number;
  node: number;
  text: string;
  /** The id of a row that the program overwrites. */
  row?: number | undefined;
  /** How many lines before it were skipped because too many arrived at once. */
  skipped: number;
  /** The position from which the lines before it can be requested. */
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
  /** Name of the newest checkpoint; null: none was saved; empty: unknown, as no page follows the job. */
  checkpoint: string | null;
}
