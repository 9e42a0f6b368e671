"""What the Kubernetes API promises, as tests that run unchanged against the embedded server and a real one."""
