"""Follow jobs while they run: watches of TrainJobs and pods, and the logs of all nodes."""
