"""The Jupyter server extension: what the sidebar of JupyterLab sees and steers jobs through, without any kernel.

A page of the browser has one `stream`, whose other end is a `tab`: it carries the jobs of any number of places, told by
the same `widget.channel` that tells a cell's widget. What is asked once goes by the `routes`. Both are for users who
are logged in to the Jupyter server and whom its authorizer lets use ``trainjob``; the credentials of a cluster stay
here.
"""
