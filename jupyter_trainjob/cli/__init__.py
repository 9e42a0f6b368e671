"""``jupyter trainjob …``: the embedded cluster from a shell."""
