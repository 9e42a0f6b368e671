"""The one door: everything that talks to a Kubernetes API server, real or embedded, comes through here."""
