"""The embedded cluster: a per-user daemon that serves a subset of the Kubernetes API and runs pods as processes.

`daemon.launcher` finds or starts it, `daemon.main` is its process: the `store`, the `apiserver`, the reconcilers of
`controller`, then `job`, `scheduler` and `controllers`, and the `agent` that runs a pod's containers as processes.
"""
