"""The Job controller: creates the pods of batch/v1 Jobs. In a real cluster it is part of kube-controller-manager.

`job_reconciler` reads and writes the API; `job_decision` decides what to do, with one module per policy: `pod_counts`
(active, failed, succeeded …), `pod_failure_policy`, `backoff_per_index`, `job_success_policy`, `completion` (when and
how a Job ends), `pod_backoff` (when a failed pod is replaced), `excess_pods` (which pods to delete), `job_ttl`.
`pod_template` builds the pods; `counted_pods` records which ended pods were counted. All modules except
`job_reconciler` and `counted_pods` are pure.

The order of checks is that of ``syncJob`` in Kubernetes' Job controller
(https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/job/job_controller.go), and
`tests/unit/cluster/parity` compares the two. Differences: pods have no tracking finalizer, so a pod that disappears
between two reconciliations (before it ran, or while no daemon runs) is replaced without counting as a failure; and pods
without an owner are not adopted.
"""

from jupyter_trainjob.cluster.job.job_reconciler import controller

__all__ = ["controller"]
