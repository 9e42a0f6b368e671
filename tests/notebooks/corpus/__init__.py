"""Cells of many kinds; each runs once in the notebook and once as a job, and both must give the same value."""
