"""From frames to history: `collector` reads the ranks' logs, `series` is what it makes of them, `history` keeps it.

Comes after the worker, whose frames lie in pod logs; goes to the client's handle, and through it to every view.
"""
