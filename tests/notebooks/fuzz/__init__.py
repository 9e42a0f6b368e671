"""Generated programs, whose values in the notebook and in a job must be the same."""
