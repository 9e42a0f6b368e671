"""The files of the embedded cluster: its state folder, settings and certificates; and its host environment."""
