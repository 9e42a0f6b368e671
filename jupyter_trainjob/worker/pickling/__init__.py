"""Pickle values that pickle and cloudpickle would change, cut or refuse; the same code loads them in a job."""
