"""Conformance tests of the Kubernetes API, which run unchanged against the embedded server and a real one."""
