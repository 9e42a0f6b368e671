"""A cluster without a daemon: an API server in process, which a test can take away, under a context of its own."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import TRAINJOBS, Object
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response

NAME = "test"
AWAY = "The API server does not answer."


class Cluster:
    """A transport to the API server, and what a test does with it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.away = False
        self.answers: Callable[[Request], Response] | None = None
        """What answers instead of the API server."""
        self.asked: list[str] = []
        """The verbs and paths of all requests, but those that follow one job."""

    @property
    def client(self) -> Client:
        """Return a client of it."""
        return Client(self)

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Answer a request, unless it is away."""
        if not {"fieldSelector", "labelSelector"} & request.query.keys():
            self.asked.append(f"{request.method} {request.path}")
        if self.away:
            raise errors.ClusterError(AWAY)
        if self.answers is not None:
            return self.answers(request)
        return self._core.send(request, timeout=timeout)

    def job(self, name: str) -> Object:
        """Create a job."""
        spec = {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}}
        return self.client.create(TRAINJOBS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
