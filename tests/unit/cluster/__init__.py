"""Reconcilers of the embedded cluster over an in-process API server; nobody runs the pods but the tests."""
