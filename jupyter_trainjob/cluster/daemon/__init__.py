"""The daemon process of the embedded cluster: find, start, stop, upgrade and uninstall it."""
