"""TrainJob, runtimes and JobSet as data: what may stand in them, and what it means. No I/O."""
