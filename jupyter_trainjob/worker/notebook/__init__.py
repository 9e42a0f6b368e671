"""The notebook's own commands in a job, where there is no IPython."""
