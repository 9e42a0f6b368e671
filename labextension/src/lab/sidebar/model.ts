/** The sidebar's state: the chosen channel, and cluster information that is polled from the server. No DOM. */
import { Store } from '../../core/store';
import type { Channel, NamespaceRef } from '../../core/jobs/jobStream';
import { type Cluster, type NodeCapacity, ServerError, type Runtime } from '../server/api';
import type { TrainJobs } from '../service/plugin';

export interface ClusterInfo {
  clusters: readonly Cluster[];
  namespaces: readonly string[];
  /** Whether these are all namespaces, and not only those that are known without permission to list them. */
  hasAllNamespaces: boolean;
  nodes: readonly NodeCapacity[];
  runtimes: readonly Runtime[];
  /** Why information is missing, in sentences. */
  hidden: readonly string[];
}

interface SidebarView {
  channel: Channel;
  where: NamespaceRef;
  info: ClusterInfo;
}

export const NO_INFO: ClusterInfo = {
  clusters: [],
  namespaces: [],
  hasAllNamespaces: false,
  nodes: [],
  runtimes: [],
  hidden: []
};
/** Delay before a refresh, as many jobs may change at once. */
const PAUSE_MS = 1000;
/** Statuses of an unreachable server or cluster, which the job list reports already. */
const UNREACHABLE = [0, 502];

export class SidebarModel extends Store<SidebarView> {
  private readonly unsubscribe: () => void;
  private lastKey = '';
  private turn = 0;
  private pending: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly jobs: TrainJobs) {
    super({ channel: jobs.jobList.start(), where: jobs.chosen.view(), info: NO_INFO });
    this.lastKey = listKey(this.current.channel);
    this.unsubscribe = jobs.jobList.subscribe(this.changed);
  }

  dispose(): void {
    this.unsubscribe();
    this.stop();
  }

  /** Refreshes the cluster information. Parts that cannot be loaded keep their old values. */
  refresh = async (): Promise<void> => {
    const turn = ++this.turn;
    const { api } = this.jobs;
    const { context, namespace } = this.current.where;
    const loaded: Partial<ClusterInfo> = {};
    const hidden: string[] = [];
    const take = async <T>(request: Promise<T>, into: (answer: T) => void): Promise<void> => {
      try {
        into(await request);
      } catch (error) {
        if (!(error instanceof ServerError && UNREACHABLE.includes(error.status))) {
          hidden.push((error as Error).message);
        }
      }
    };
    await Promise.all([
      take(api.clusters(), ({ clusters, why }) => {
        loaded.clusters = clusters;
        hidden.push(why);
      }),
      take(api.namespaces(context), ({ namespaces, why }) => {
        loaded.namespaces = namespaces;
        loaded.hasAllNamespaces = why === '';
        hidden.push(why);
      }),
      take(api.capacity(context), ({ nodes, why }) => {
        loaded.nodes = nodes;
        hidden.push(why);
      }),
      take(api.runtimes(context, namespace), runtimes => void (loaded.runtimes = runtimes))
    ]);
    if (turn === this.turn) {
      const reasons = [...new Set(hidden.filter(why => why !== ''))];
      this.change({ info: { ...this.current.info, ...loaded, hidden: reasons } });
    }
  };

  setEmbedded = async (action: 'start' | 'stop'): Promise<void> => {
    await this.jobs.api.embedded(action);
    await this.refresh();
    if (action === 'start') {
      this.jobs.jobList.restart(); // At once, instead of waiting for the next retry.
    }
  };

  private stop(): void {
    clearTimeout(this.pending);
    this.pending = undefined;
    this.turn += 1;
  }

  /** Refreshes at once for another channel, and after a delay when the cluster's availability or a job has changed. */
  private changed = (): void => {
    const channel = this.jobs.jobList.start();
    const before = this.lastKey;
    this.lastKey = listKey(channel);
    if (channel !== this.current.channel) {
      this.stop();
      const info = { ...NO_INFO, clusters: this.current.info.clusters };
      this.change({ channel, where: this.jobs.chosen.view(), info });
      void this.refresh();
    } else if (this.lastKey !== before) {
      this.pending ??= setTimeout(() => {
        this.pending = undefined;
        void this.refresh();
      }, PAUSE_MS);
    }
  };
}

function listKey(channel: Channel): string {
  const { rows, trouble } = channel.jobs.view();
  return JSON.stringify([channel.view().trouble, trouble, rows?.map(row => row.state)]);
}
