"""The node of the embedded cluster: pods that are bound to this computer become processes, as kubelet's do.

`agent` sees the pods and gives each to a `pod` worker, which has `prepare` lay out what the program needs
(`environment`, `volumes`, `fields`, `network` → `program`) and `launch` start its `shim`: cold, or forked by the
`forkserver` of the `warm` pool. The shim writes the log (`logwriter`) and the exit status into the pod's `sandbox`,
from which `logs` and `status` are read. `isolation` says whether pods get `namespaces`, else there is `substitution`.
"""
