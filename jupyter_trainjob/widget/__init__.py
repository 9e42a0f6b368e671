"""What a job looks like: a live widget in the cell, a picture that stays in the notebook, words in a terminal.

A view draws a `client.snapshot.Snapshot` and the columns of metrics, asked from a `source.Source`; it never asks the
API. `show.show` chooses the view. `view` is the widget (its front end is ``labextension/``), `feed` what is sent to it,
`curves` what is drawn, `picture` and `text` what is left where nothing can be drawn live.
"""
