"""The shim and the fork server. Both use only the standard library and are started by path, hence one folder."""
