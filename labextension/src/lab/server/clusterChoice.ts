/** Cluster lookup, for the sidebar and the form. */
import type { Cluster } from './api';

/** Returns the cluster of a context; null stands for the default context. */
export const findCluster = (clusters: readonly Cluster[], context: string | null): Cluster | undefined =>
  clusters.find(cluster => (context === null ? cluster.chosen : cluster.name === context));
