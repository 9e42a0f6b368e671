/** References to jobs. */
import type { NamespaceRef } from '../../core/jobs/jobStream';

/** A job's uid, name, cluster and namespace: the arguments that open its tab. */
export interface JobRef extends NamespaceRef {
  uid: string;
  /** The title of the tab until the job is loaded. */
  name: string;
}
