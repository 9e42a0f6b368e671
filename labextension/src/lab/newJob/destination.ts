/** The destination of the form's job: the sidebar's namespace, until another one is chosen in the form. No DOM. */
import { Store } from '../../core/store';
import type { NamespaceRef } from '../../core/jobs/jobStream';
import { trans } from '../../core/i18n';
import type { Api, Cluster } from '../server/api';
import type { ChosenNamespace } from '../service/chosenNamespace';
import { findCluster } from '../server/clusterChoice';

export interface DestinationView {
  /** Null before it is loaded. */
  cluster: Cluster | null;
  namespace: string;
  clusters: readonly Cluster[];
  /** The cluster's namespaces that the user may list. */
  namespaces: readonly string[];
  /** The cluster and namespace of the sidebar, as text; empty if they are the same. */
  elsewhere: string;
  /** Why the cluster is unknown, as text. */
  trouble: string;
}

export class Destination extends Store<DestinationView> {
  private ref: NamespaceRef;
  private isOwn = false;
  private turn = 0;
  private readonly unsubscribe: () => void;

  /** `changed` is called when the cluster or the namespace changes. */
  constructor(
    private readonly sidebar: ChosenNamespace,
    private readonly api: Pick<Api, 'clusters' | 'namespaces'>,
    private readonly changed: () => void
  ) {
    super({ cluster: null, namespace: '', clusters: [], namespaces: [], elsewhere: '', trouble: '' });
    this.ref = sidebar.view();
    this.unsubscribe = sidebar.subscribe(() => (this.isOwn ? this.compare() : this.follow()));
  }

  dispose(): void {
    this.turn += 1;
    this.unsubscribe();
  }

  /** Takes the sidebar's namespace, also when it changes. */
  follow = (): void => {
    this.isOwn = false;
    void this.load(this.sidebar.view());
  };

  /** Takes a namespace that was chosen in the form. A null namespace is the context's. */
  choose = (ref: NamespaceRef): void => {
    this.isOwn = true;
    void this.load(ref);
  };

  /** Loads clusters and namespaces again. */
  reload = (): void => void this.load(this.ref);

  /** Loads the clusters, and the namespaces of the destination's cluster. */
  private async load(ref: NamespaceRef): Promise<void> {
    const turn = ++this.turn;
    this.ref = ref;
    this.resolve(this.current.clusters);
    try {
      const { clusters, why } = await this.api.clusters();
      if (turn !== this.turn) {
        return;
      }
      this.resolve(clusters, why);
    } catch (error) {
      if (turn === this.turn) {
        this.change({ cluster: null, namespace: '', namespaces: [], trouble: (error as Error).message });
        this.changed();
      }
      return;
    }
    const { cluster } = this.current;
    const namespaces = await this.api.namespaces(cluster?.name ?? null).then(
      answer => answer.namespaces,
      () => [] // The chosen namespace can be used without a list.
    );
    if (turn === this.turn) {
      this.change({ namespaces });
    }
  }

  private resolve(clusters: readonly Cluster[], why = ''): void {
    const { context } = this.ref;
    const before = this.current;
    const cluster = findCluster(clusters, context) ?? null;
    const namespace = cluster === null ? '' : (this.ref.namespace ?? cluster.namespace);
    const missing = (): string =>
      why ||
      (context === null ? '' : trans.__('There is no context “%1” any more: choose another.', context));
    const trouble = cluster === null && clusters.length > 0 ? missing() : '';
    const isSame = before.cluster?.name === cluster?.name && before.namespace === namespace;
    const namespaces = before.cluster?.name === cluster?.name ? before.namespaces : [];
    this.change({ cluster, namespace, clusters, namespaces, trouble });
    this.compare();
    if (!isSame) {
      this.changed();
    }
  }

  /** Checks whether the sidebar shows another namespace. */
  private compare(): void {
    const { clusters, cluster, namespace } = this.current;
    const shown = this.sidebar.view();
    const other = findCluster(clusters, shown.context);
    const isSame = other?.name === cluster?.name && (shown.namespace ?? other?.namespace) === namespace;
    const place = other === undefined ? '' : `${other.place} / ${shown.namespace ?? other.namespace}`;
    this.change({ elsewhere: this.isOwn && cluster !== null && !isSame ? place : '' });
  }
}

/** Names of real clusters to which sending a job was confirmed since the page was loaded. */
const confirmed = new Set<string>();

/** Whether sending a job to the cluster has to be confirmed first. */
export const isUnconfirmed = ({ name, embedded }: Cluster): boolean => !embedded && !confirmed.has(name);

export const markConfirmed = ({ name }: Cluster): unknown => confirmed.add(name);
