"""The Jupyter server extension: the backend of JupyterLab's sidebar, independent of kernels.

Each browser tab has one `stream_socket` with a `stream_session`: any number of `feed.channel.Channel`s, which also feed
the widget of a cell. Single requests go to the `routes`. Both need a login at the Jupyter server and its authorizer's
permission for the resource ``trainjob``. The credentials of clusters are not sent to the browser.
"""
