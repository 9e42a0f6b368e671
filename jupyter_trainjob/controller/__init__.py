"""TrainJobs become JobSets, and JobSets become Jobs: the upper two steps of the staircase.

``manager`` puts them together. ``trainjob`` reconciles TrainJobs: `snapshot` holds the runtime still, `framework` runs
the `plugins` that turn runtime and TrainJob into a JobSet, `status` reads back what became of it. `jobset` is the step
below, for clusters that have no JobSet controller of their own.

Names, fields and conditions are Kubeflow Trainer v2.3's and JobSet v0.12's. What is read comes from informers, what is
decided is decided in pure functions, and what is written is created or merge-patched once per reconcile.
"""
