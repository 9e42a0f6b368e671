"""The job's folder and files in the pod, and its synchronization with ``--storage URL``."""
