"""Controllers of kube-controller-manager, and controllers that delete what finished jobs leave."""
