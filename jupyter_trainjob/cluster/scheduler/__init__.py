"""The scheduler: assigns pods, and PodGroups as a whole, to nodes, like kube-scheduler with coscheduling."""
