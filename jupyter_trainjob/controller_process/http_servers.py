"""The process's servers: webhooks and the status server over TLS, and health and metrics over plain HTTP.

All run on one event loop in a thread. A certificate that is renewed on the disk is used for the next connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from prometheus_client import REGISTRY
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import Application, HTTPError, RequestHandler

from jupyter_trainjob import errors
from jupyter_trainjob.api.kinds.runtime_rules import FindObject
from jupyter_trainjob.api.resources import Resource
from jupyter_trainjob.controller_process import admission_review
from jupyter_trainjob.controller_process.reloaded_certificate import ReloadedCertificate

_log = logging.getLogger(__name__)

_MAX_REVIEW_BYTES: Final = 16 << 20
"""An API server accepts objects of 3 MiB; a review has two of them."""
_CERTIFICATE_CHECK_MS: Final = 1000


class HttpServers:
    """Serves webhooks and metrics from a thread of its own; add them before `start`."""

    def __init__(self) -> None:
        self._servers: list[Callable[[], HTTPServer]] = []
        self._running: list[HTTPServer] = []
        self._loop: IOLoop | None = None
        self._started = Event()
        self._failure: Exception | None = None
        self._thread = Thread(target=self._run, name="http-servers", daemon=True)

    def add_webhooks(self, *, host: str, port: int, certificates: Path, find: FindObject) -> None:
        """Serve the webhooks with ``tls.crt`` and ``tls.key`` of a folder.

        Raises `errors.UsageError` if the two cannot be read.
        """
        routes = [
            (
                admission_review.path(resource, mutating=mutating),
                _WebhookHandler,
                {"resource": resource, "mutating": mutating, "find": find},
            )
            for resources, mutating in ((admission_review.MUTATING, True), (admission_review.VALIDATING, False))
            for resource in resources
        ]

        def new_server(context: ssl.SSLContext) -> HTTPServer:
            return HTTPServer(Application(routes), ssl_options=context, max_buffer_size=_MAX_REVIEW_BYTES)

        self.add_tls(new_server, host=host, port=port, certificates=certificates)

    def add_tls(
        self, new_server: Callable[[ssl.SSLContext], HTTPServer], *, host: str, port: int, certificates: Path
    ) -> None:
        """Serve over TLS with ``tls.crt`` and ``tls.key`` of a folder, which are read again when renewed.

        Raises `errors.UsageError` if the two cannot be read.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate = ReloadedCertificate(context, certificates)
        certificate.load()

        def listen() -> HTTPServer:
            PeriodicCallback(certificate.load_if_changed, _CERTIFICATE_CHECK_MS).start()
            server = new_server(context)
            server.listen(port, host)
            return server

        self._servers.append(listen)

    def add_monitoring(self, *, host: str, port: int, is_ready: Callable[[], bool]) -> None:
        """Serve ``/healthz``, ``/readyz`` and ``/metrics``."""
        routes: list[Any] = [
            ("/healthz", _HealthHandler, {"is_healthy": lambda: True}),
            ("/readyz", _HealthHandler, {"is_healthy": is_ready}),
            ("/metrics", _MetricsHandler),
        ]

        def listen() -> HTTPServer:
            server = HTTPServer(Application(routes))
            server.listen(port, host)
            return server

        self._servers.append(listen)

    def start(self) -> None:
        """Start to listen; return when all servers answer. Raises `errors.UsageError` if a port is not free."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise errors.UsageError(f"The controller cannot listen: {self._failure}.") from self._failure

    def stop(self) -> None:
        """Stop listening and end the thread."""
        if self._loop is not None:
            self._loop.add_callback(self._loop.stop)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        loop = self._loop = IOLoop.current()
        try:
            self._running = [listen() for listen in self._servers]
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        loop.start()
        for server in self._running:
            server.stop()


class _WebhookHandler(RequestHandler):
    def initialize(self, resource: Resource, *, mutating: bool, find: FindObject) -> None:
        self._resource = resource
        self._mutating = mutating
        self._find = find

    async def post(self) -> None:
        # Reading the runtime blocks.
        answer = await IOLoop.current().run_in_executor(None, self._answer, self.request.body)
        self.write(answer)

    def _answer(self, body: bytes) -> dict[str, Any]:
        try:
            review = json.loads(body)
            if not isinstance(review, dict):
                raise admission_review.InvalidReview("The body is not an AdmissionReview.")
            return admission_review.answer_review(review, self._resource, mutating=self._mutating, find=self._find)
        except ValueError as error:
            raise HTTPError(400, str(error)) from error

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, HTTPError):
            _log.warning("%s: %s", self.request.path, value)
        else:
            _log.error("%s failed", self.request.path, exc_info=(typ, value, tb))


class _HealthHandler(RequestHandler):
    def initialize(self, is_healthy: Callable[[], bool]) -> None:
        self._is_healthy = is_healthy

    def get(self) -> None:
        healthy = self._is_healthy()
        self.set_status(200 if healthy else 503)
        self.write("ok" if healthy else "not ready")


class _MetricsHandler(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(generate_latest(REGISTRY))
