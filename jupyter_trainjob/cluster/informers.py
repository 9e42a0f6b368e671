"""One informer for each kind, shared by the embedded cluster's own controllers.

Every informer parses each change once; the Job controller, the scheduler and the garbage collector all look at pods.
"""

from __future__ import annotations

from jupyter_trainjob.api.resources import Resource
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer


class Informers:
    """Makes informers over all namespaces, the same one for the same kind. Controllers start and stop them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._made: dict[Resource, Informer] = {}

    def of(self, resource: Resource) -> Informer:
        """Return the informer of a kind."""
        if resource not in self._made:
            self._made[resource] = Informer(self._client, resource)
        return self._made[resource]
