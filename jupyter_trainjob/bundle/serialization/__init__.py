"""The captured values as bytes: the pickler, its output, and what cannot be pickled."""
