"""Everyday and hostile cells: each is run once in the notebook and once as a job, and both must give the same value."""
