"""What a job looks like: a live widget in the cell, a picture that stays in the notebook, words in a terminal.

A view draws a `client.snapshot.Snapshot`, the series of metrics and the log, asked from a `source.Source`; it never
asks the API. `show.show` chooses the view, `panel.panel` shows all jobs.

The widget's front end is ``labextension/``; `view` is the kernel's end. What it says goes from a `feed` (with `state`,
`curves` and `logs`, at the pace of a `budget`) through a `channel`, which also carries out `requests`, on threads of
`beat`. What a notebook keeps is put out by `output`: a `picture` (made with `drawing`) and `text`, with `tables`.
"""
