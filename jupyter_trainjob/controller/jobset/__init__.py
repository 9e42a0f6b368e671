"""Reconcile JobSets into Jobs and a headless Service, for clusters without JobSet's own controller.

`jobset_reconciler` reads and writes; `jobset_decision` decides what is to be done: `child_jobs` classifies each Job,
`policies` has one file per policy (which Jobs may exist yet, how the JobSet ends or restarts, its claims, suspension
and time to live), and `job_template`, `labels` and `headless_service` make the objects. All but the reconciler is pure.

What JobSet v0.12 has behind feature gates that are off (restarts of single Jobs, in-place restarts, elastic JobSets) is
not implemented; a JobSet that uses it is rejected at admission, or fails with that reason if it was not validated.
"""
