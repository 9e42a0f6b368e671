"""One pod on this node: kubelet's rules, its status and its events."""
