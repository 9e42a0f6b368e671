"""The node agent of the embedded cluster: runs pods that are bound to this computer as processes, like kubelet.

`agent` watches pods and runs a `pod_worker` for each. `preparation` builds what a container needs (`environment`,
`pod_volumes`, `downward_api`, `network` → `shim_spec`), and `shim_launcher` starts its `shim`, either directly or
forked by a `forkserver` of `forkserver_pool`. The shim writes the log (`log_writer`) and the exit status to the pod's
`sandbox`, from which `container_logs` and `pod_status` read. `isolation` detects whether pods can get `namespaces`;
otherwise `path_rewriting` is used.
"""
