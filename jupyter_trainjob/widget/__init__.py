"""Views of a job in a notebook: the live widget, the card of a submission, and the saved output.

A view reads the snapshot, the metrics and the log of a `rendering.job_source.JobSource`, never the Kubernetes API.
`show.show` shows one job, `panel.panel` a list of jobs.

The widget's front end is in ``labextension/``; `model` is the kernel's side, and `feed` makes and answers the messages.
`output` saves a view in the notebook, with the pictures and texts of `rendering`.
"""
