/** The jobs of one comm: dispatches messages to job stores, and holds the open jobs and the job list. */
import { rerunNote } from './jobActions';
import { Store } from '../store';
import { JobStore } from './jobStore';
import type { Answer, RequestTypes, Bytes, FromKernel, ToKernel, RequestName } from '../protocol/messages';
import { Requests } from '../protocol/requests';
import type { Job, JobRow } from '../jobTypes';
import type { Action, JobsSource, JobIdentity } from './views';
import { trans } from '../i18n';

/** A `Board` of stores. */
interface JobsState {
  panel: boolean;
  rows: readonly JobRow[] | null;
  trouble: string;
  open: readonly JobStore[];
  before: JobIdentity | null;
}

export class JobsStore extends Store<JobsState> implements JobsSource {
  /** Closed jobs, whose late messages are dropped. */
  private readonly closed = new Set<string>();
  private readonly requests: Requests;

  /** `send` sends to the kernel; `panel`: jobs are opened from a list; `clock` is this page's, in unix seconds. */
  constructor(
    private readonly send: (message: ToKernel) => void,
    { panel }: { panel: boolean },
    private readonly clock: () => number = () => Date.now() / 1000
  ) {
    super({ panel, rows: null, trouble: '', open: [], before: null });
    this.requests = new Requests(send);
  }

  /** Requests the full state from the kernel: on each (re)render. */
  ready(): void {
    this.send({ kind: 'ready' });
  }

  /** Reopens the open jobs after the other end was restarted, and rejects pending requests. */
  restart(): void {
    this.requests.rejectAll(
      trans.__('The connection was lost before the answer came: check whether the action was done.')
    );
    this.change({ trouble: '' });
    for (const { uid } of this.current.open) {
      this.send({ kind: 'open', job: uid });
    }
    this.ready();
  }

  open = (uid: string): void => {
    this.closed.delete(uid);
    this.store(uid);
    this.send({ kind: 'open', job: uid });
  };

  close = (uid: string): void => {
    this.closed.add(uid);
    this.change({ open: this.current.open.filter(store => store.uid !== uid) });
    this.send({ kind: 'close', job: uid });
  };

  act = async (uid: string, action: Action): Promise<string> => {
    const { note, rerunUid } = await this.perform(uid, action);
    if (rerunUid !== '') {
      this.open(rerunUid);
    }
    return note;
  };

  /** Acts on a job; returns a note for the user, and the uid of a rerun, which is not opened; empty without one. */
  perform = async (uid: string, action: Action): Promise<{ note: string; rerunUid: string }> => {
    const answer = await this.ask(uid, action, {});
    if (action !== 'rerun') {
      return { note: '', rerunUid: '' };
    }
    const { uid: rerunUid, differences } = answer as Answer<'rerun'>;
    return { note: rerunNote(differences), rerunUid };
  };

  ask<W extends RequestName>(uid: string, name: W, args: RequestTypes[W][0]): Promise<unknown> {
    return this.requests.ask(uid, name, args);
  }

  /** Takes the synced trait: the first job's snapshot. */
  setJob(job: Job, { fresh }: { fresh: boolean }): void {
    if (typeof job?.uid === 'string') {
      // The trait has no uid before its first value, and in a panel.
      this.store(job.uid).setJob(job, { fresh });
    }
  }

  /** Takes the synced trait `before`: the running job that the same cell sent before; empty without one. */
  setBefore(job: Partial<JobIdentity> | undefined): void {
    const { uid, name } = job ?? {};
    this.change({ before: uid === undefined || name === undefined ? null : { uid, name } });
  }

  /** Takes a custom message. */
  receive(message: FromKernel, buffers: readonly Bytes[]): void {
    if (message.kind === 'answer') {
      this.requests.settle(message, buffers);
    } else if (message.kind === 'jobs') {
      this.change({ rows: updateRows(message.reset ? [] : (this.current.rows ?? []), message) });
    } else if (message.kind === 'trouble') {
      this.change({ trouble: message.why });
    } else if (typeof message.job === 'string' && !this.closed.has(message.job)) {
      this.store(message.job).receive(message, buffers);
    }
  }

  /** Returns the job's store; a new one is added below the others. */
  private store(uid: string): JobStore {
    const open = this.current.open.find(store => store.uid === uid);
    if (open !== undefined) {
      return open;
    }
    const opened = new JobStore(
      uid,
      {
        ready: () => this.send({ kind: 'ready', job: uid }),
        ask: (name, args) => this.requests.ask(uid, name, args),
        open: this.open
      },
      this.clock
    );
    this.change({ open: [...this.current.open, opened] });
    return opened;
  }
}

/** Replaces changed rows in place, appends new ones, and removes those that are gone. */
function updateRows(
  rows: readonly JobRow[],
  { jobs, gone }: { jobs: readonly JobRow[]; gone: readonly string[] }
): JobRow[] {
  const byUid = new Map(rows.map(row => [row.uid, row]));
  jobs.forEach(row => byUid.set(row.uid, row));
  gone.forEach(uid => byUid.delete(uid));
  return [...byUid.values()];
}
