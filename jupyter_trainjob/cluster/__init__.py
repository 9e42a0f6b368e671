"""The embedded cluster: a per-user daemon that serves a subset of the Kubernetes API and runs pods as processes.

``launch`` finds or starts it, ``daemon`` is its process: `store` (the log), `apiserver` (the door), the reconcilers of
`controller`, then `job`, `scheduler` and `garbage`, and the `agent` that turns a pod into a process.
"""
