"""The Python API: contexts, `submit`, the handle of a job, and queries for jobs.

`state.derive` turns API objects and the ranks' reports into a `snapshot`, the plain values that every view shows.
"""
