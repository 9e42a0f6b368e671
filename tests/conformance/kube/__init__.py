"""A real Kubernetes API server for the conformance suite: how it is built, started and ended."""
