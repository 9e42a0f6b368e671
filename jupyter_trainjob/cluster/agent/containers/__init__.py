"""One run of a container: from its preparation to the start of its shim."""
