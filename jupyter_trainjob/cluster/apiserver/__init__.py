"""The API server of the embedded cluster: serves the kinds in `api.resources` from `cluster.store`.

A request passes from `https_server` (or directly from a controller) to `request_handler`, which selects verb and
resource, to `verbs`, to the store. `requests` parses requests, `admission` completes and validates objects;
`discovery`, `openapi` and `tables` serve kubectl.
"""
