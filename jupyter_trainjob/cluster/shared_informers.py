"""One informer for each kind, shared by the embedded cluster's controllers.

A shared informer parses each change once, although the Job controller, the scheduler and the garbage collector all
watch pods.
"""

from __future__ import annotations

from jupyter_trainjob.api.resources import Resource
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer


class SharedInformers:
    """Creates informers over all namespaces, one for each kind. Controllers start and stop them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Resource, Informer] = {}

    def informer_for(self, resource: Resource) -> Informer:
        """Return the informer of a kind, creating it at first use."""
        if resource not in self._informers:
            self._informers[resource] = Informer(self._client, resource)
        return self._informers[resource]
