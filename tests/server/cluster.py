"""A cluster without a daemon: an API server in the test process, which a test can make unreachable."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import TRAINJOBS, KubeObject
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response

NAME = "test"
AWAY = "The API server does not answer."


class Cluster:
    """A transport to the API server, which records requests and can fail."""

    def __init__(self, core: ApiServer) -> None:
        self._core = core
        self.unreachable = False
        self.respond: Callable[[Request], Response] | None = None
        """Responds instead of the API server, if set."""
        self.requests: list[str] = []
        """Methods and paths of all requests, except those that follow one job."""

    @property
    def client(self) -> Client:
        """Return a client of the API server."""
        return Client(self)

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send a request; raise `errors.ClusterError` if unreachable."""
        if not {"fieldSelector", "labelSelector"} & request.query.keys():
            self.requests.append(f"{request.method} {request.path}")
        if self.unreachable:
            raise errors.ClusterError(AWAY)
        if self.respond is not None:
            return self.respond(request)
        return self._core.send(request, timeout=timeout)

    def job(self, name: str) -> KubeObject:
        """Create a job."""
        spec = {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}}
        return self.client.create(TRAINJOBS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
