"""The controller as a separate process, for a Kubernetes cluster: leader election, webhooks, metrics, logs.

The embedded cluster's daemon runs the same reconcilers without this package.
"""
