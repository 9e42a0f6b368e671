"""Complete and check objects of any kind: defaults, validation, and what admission webhooks do."""
