/** The interfaces that components draw from: one job, or all jobs of one comm. */
import type { Answer, RequestTypes, RequestName } from '../protocol/messages';
import type { Curve, Job, JobRow, LogLine, Node } from '../jobTypes';

/** An action that changes a job. */
export type Action = 'stop' | 'resume' | 'delete' | 'rerun';

/**
 * The progress of an action. `done`: the kernel has answered, the new state has not arrived yet; `noted`: done, with a
 * message for the user.
 */
export type ActionState =
  | { is: 'idle' }
  | { is: 'requested' | 'done'; action: Action }
  | { is: 'refused' | 'noted'; action: Action; message: string };

/** The immutable state of one job that components draw. */
export interface JobView {
  job: Job | null;
  /** The kernel's clock minus this page's, in seconds. */
  skew: number;
  nodes: readonly Node[];
  curves: ReadonlyMap<string, Curve>;
  log: readonly LogLine[];
  acting: ActionState;
  /** Whether a request is late: the kernel may be busy. */
  late: boolean;
}

/** The data source of one job. */
export interface JobSource {
  view(): JobView;
  subscribe(changed: () => void): () => void;
  /** Sends a request to the kernel; rejects with an `Error` whose message is shown to the user. A kernel that is busy with a cell answers late (`JobView.late`). */
  ask<W extends RequestName>(name: W, args: RequestTypes[W][0]): Promise<Answer<W>>;
  /** Starts an action on the job; `JobView.acting` holds its progress. */
  act(action: Action): void;
}

/** The identity of a job that is not shown. */
export interface JobIdentity {
  uid: string;
  name: string;
}

/** The jobs of one comm: the open ones and, in a panel, the list. */
export interface JobsView {
  panel: boolean;
  /** Null before the kernel has sent them. */
  rows: readonly JobRow[] | null;
  /** Why the rows are not up to date; empty while they are. */
  trouble: string;
  open: readonly (JobSource & { uid: string })[];
  /** The job that the same cell sent before, while it runs. */
  before: JobIdentity | null;
}

/** The data source of the whole widget. */
export interface JobsSource {
  view(): JobsView;
  subscribe(changed: () => void): () => void;
  open(uid: string): void;
  close(uid: string): void;
  /** Sends a request about a job, which need not be open. */
  ask<W extends RequestName>(uid: string, name: W, args: RequestTypes[W][0]): Promise<unknown>;
  /** Acts on a job, which need not be open, and opens a rerun. Returns a message for the user, or an empty string. */
  act(uid: string, action: Action): Promise<string>;
}
