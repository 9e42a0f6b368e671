"""Limits of containers (memory, processors, GPUs), and what this computer has of them."""
