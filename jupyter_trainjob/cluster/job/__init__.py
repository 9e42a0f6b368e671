"""The Job controller: batch/v1 Jobs become Pods. In a real cluster this is kube-controller-manager's.

Jobs come from users and from the JobSet controller, Pods go to the scheduler. ``reconciler`` reads and writes;
``decision`` says what is to be done, and asks one file per policy: `counts` (what each pod counts as),
`failure_policy`, `per_index` (indexes that fail by themselves), `success_policy`, `ending` (how a Job ends), `backoff`
(when a failed pod is replaced), `surplus` (which pods are too many), `ttl`. ``pods`` makes the pods; ``ledger``
remembers which ended pods were counted. All of it but reconciler and ledger is pure.

The order of questions is that of Kubernetes' Job controller (``syncJob``), and `tests/unit/cluster/parity` holds this
one against it. One thing differs: pods carry no finalizer. So a pod that vanishes between two looks (before it ever
ran, or while no daemon runs) is replaced without counting as a failure. Pods without an owner are not adopted.
"""

from jupyter_trainjob.cluster.job.reconciler import controller

__all__ = ["controller"]
