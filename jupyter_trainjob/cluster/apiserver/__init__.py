"""The door of the embedded cluster: the subset of the Kubernetes API that `api.resources` names, over `cluster.store`.

A request goes ``http`` (or straight from a reconciler) → `core` (which verb of what) → `reads`, `writes`, `deletion`,
`watches`, `logs` → the store. `admission` completes and checks what comes in; `paths`, `selectors`, `patches`,
`strategic`, `metadata` and `status` are the rules of the API as pure functions; `discovery`, `openapi` and `tables` are
what kubectl needs on top.
"""
