"""The client of Kubernetes API servers, real or embedded; no other code sends requests to them."""
