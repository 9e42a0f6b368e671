"""Export a job as a cell, as YAML, or as code for the Kubeflow SDK."""
