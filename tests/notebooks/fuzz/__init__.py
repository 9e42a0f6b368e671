"""Generated programs: what a notebook's cells and a job make of them must be the same."""
