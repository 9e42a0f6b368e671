"""The results of a job: return values, exceptions, files."""
