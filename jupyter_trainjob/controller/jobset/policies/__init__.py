"""The policies of a JobSet, each as the file of that name in JobSet's own controller."""
