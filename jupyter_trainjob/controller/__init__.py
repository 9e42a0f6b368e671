"""The controller: TrainJobs become JobSets, and JobSets become Jobs.

`manager` builds the controllers. `trainjob_reconciler` reconciles TrainJobs: `runtime_snapshot` keeps a copy of the
runtime, `plugins` implement the phases of `framework` that convert runtime and TrainJob to a JobSet, and
`trainjob_status` derives the status from it. `jobset` reconciles JobSets, for clusters without a JobSet controller.

Names, fields and conditions are those of Kubeflow Trainer v2.3 and JobSet v0.12. Reconcilers read from informers,
decide in pure functions, and write each object once per reconcile, by create or merge patch.
"""
