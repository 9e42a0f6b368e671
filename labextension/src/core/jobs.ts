/** The jobs of one comm: hands each message to its job, and keeps which jobs are open and the list to choose from. */
import { Held } from './held';
import { JobStore } from './job';
import type { Asks, Bytes, FromKernel, ToKernel, What } from './protocol';
import { Requests } from './requests';
import type { Boards, Job, JobRow } from './types';
import { trans } from './words';

/** A `Board` of stores. */
interface Stores {
  panel: boolean;
  rows: readonly JobRow[] | null;
  trouble: string;
  open: readonly JobStore[];
}

export class Jobs extends Held<Stores> implements Boards {
  /** Jobs that were closed: what still comes of them is late. */
  private readonly closed = new Set<string>();
  private readonly requests: Requests;

  /** `send` reaches the kernel; `panel`: there is a list to choose from; `clock` is ours in unix seconds. */
  constructor(
    private readonly send: (message: ToKernel) => void,
    { panel }: { panel: boolean },
    private readonly clock: () => number = () => Date.now() / 1000
  ) {
    super({ panel, rows: null, trouble: '', open: [] });
    this.requests = new Requests(send);
  }

  /** Asks the kernel for everything: on each (re)render. */
  ready(): void {
    this.send({ kind: 'ready' });
  }

  /** The other end knows nothing any more: opens again what is open, and gives up what was asked. */
  begin(): void {
    this.requests.lose(trans.__('The connection was lost before the answer came: look whether it was done.'));
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

  /** Asks of a job that need not be open. */
  ask<W extends What>(uid: string, what: W, args: Asks[W][0]): Promise<unknown> {
    return this.requests.ask(uid, what, args);
  }

  /** Takes the synced trait: the first job's snapshot. */
  setJob(job: Job, { fresh }: { fresh: boolean }): void {
    if (typeof job?.uid === 'string') {
      // Otherwise it is the trait before its first value, or a panel's.
      this.store(job.uid).setJob(job, { fresh });
    }
  }

  /** Takes a custom message. */
  receive(message: FromKernel, buffers: readonly Bytes[]): void {
    if (message.kind === 'answer') {
      this.requests.answer(message, buffers);
    } else if (message.kind === 'jobs') {
      this.change({ rows: renewed(message.reset ? [] : (this.current.rows ?? []), message) });
    } else if (message.kind === 'trouble') {
      this.change({ trouble: message.why });
    } else if (typeof message.job === 'string' && !this.closed.has(message.job)) {
      this.store(message.job).receive(message, buffers);
    }
  }

  /** The job's store; one that was never heard of is shown below the others from now on. */
  private store(uid: string): JobStore {
    const known = this.current.open.find(store => store.uid === uid);
    if (known !== undefined) {
      return known;
    }
    const made = new JobStore(
      uid,
      {
        ready: () => this.send({ kind: 'ready', job: uid }),
        ask: (what, args) => this.requests.ask(uid, what, args),
        open: this.open
      },
      this.clock
    );
    this.change({ open: [...this.current.open, made] });
    return made;
  }
}

/** The rows with those that changed in their places, and new ones at the end. */
function renewed(
  rows: readonly JobRow[],
  { jobs, gone }: { jobs: readonly JobRow[]; gone: readonly string[] }
): JobRow[] {
  const byUid = new Map(rows.map(row => [row.uid, row]));
  jobs.forEach(row => byUid.set(row.uid, row));
  gone.forEach(uid => byUid.delete(uid));
  return [...byUid.values()];
}
