"""The options of a job as fields of a TrainJob: units, resources, runtimes. Sends nothing."""
