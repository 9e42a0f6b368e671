"""Find the names, modules and files that the code of a cell uses. Nothing of the notebook is run."""
