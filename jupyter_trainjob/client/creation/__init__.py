"""Create a TrainJob with its Secrets and files, step by step, and delete what a failed attempt left behind."""
