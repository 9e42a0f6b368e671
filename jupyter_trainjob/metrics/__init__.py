"""From frames to history: `loglines` finds them in logs, `record` understands them, `history` keeps them.

Comes after the worker, whose frames lie in pod logs; goes to the client's handle, and through it to every view.
"""
