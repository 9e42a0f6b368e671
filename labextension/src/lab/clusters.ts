/** Which of the clusters is meant: for the sidebar and the form. */
import type { Cluster } from './api';

/** The one that is meant by a context; null: that of calls that name none. */
export const meant = (clusters: readonly Cluster[], context: string | null): Cluster | undefined =>
  clusters.find(each => (context === null ? each.chosen : each.name === context));
