"""Kubeflow Trainer's own controller, built from the versions that go.mod pins, as a process."""
