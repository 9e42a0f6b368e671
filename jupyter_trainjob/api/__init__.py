"""TrainJob, runtimes and JobSet as data: their schemas, validation and semantics. No I/O."""
