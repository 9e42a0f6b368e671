"""What Kubernetes' Job controller and JobSet's do, recorded once, and ours held against it."""
