"""Prometheus metrics of the process, under the names that controller-runtime and client-go give them."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.transport import Request, Response, Transport

RECONCILES: Final = Counter(
    "controller_runtime_reconcile", "Reconciliations by controller and result.", ["controller", "result"]
)
RECONCILE_SECONDS: Final = Histogram(
    "controller_runtime_reconcile_time_seconds", "Duration of a reconciliation.", ["controller"]
)
QUEUE_DEPTH: Final = Gauge("workqueue_depth", "Objects that wait to be reconciled.", ["name"])
REQUESTS: Final = Counter("rest_client_requests", "Requests to the API server.", ["code", "method"])
LEADER: Final = Gauge("leader_election_master_status", "1 if this process holds the lease.", ["name"])


def observe(controller: Controller) -> None:
    """Measure a controller's reconciles and its queue."""

    def count(result: str, seconds: float) -> None:
        RECONCILES.labels(controller.name, result).inc()
        RECONCILE_SECONDS.labels(controller.name).observe(seconds)

    controller.on_reconciled(count)
    QUEUE_DEPTH.labels(controller.name).set_function(lambda: len(controller.queue))


class CountedTransport:
    """A transport that counts requests by status and method."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send a request; one without an answer counts under the code ``<error>``, as in client-go."""
        code = "<error>"
        try:
            response = self._transport.send(request, timeout=timeout)
            code = str(response.status)
        finally:
            REQUESTS.labels(code, request.method).inc()
        return response
