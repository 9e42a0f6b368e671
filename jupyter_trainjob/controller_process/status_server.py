"""The status server: takes progress and metrics from a TrainJob's pods and writes them to its status.

A request is ``POST /apis/trainer.kubeflow.org/v1alpha1/namespaces/NAMESPACE/trainjobs/NAME/status`` with a token of the
pod's service account, whose audience names that TrainJob. Order and texts of the answers are Kubeflow Trainer's; errors
are Kubernetes ``Status`` objects. It runs in every replica where the feature gate ``TrainJobStatus`` is on.

Memory is bounded: of a body that is too large nothing is kept, and connections and waiting requests have limits.

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/statusserver/server.go
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from jupyter_trainjob import errors
from jupyter_trainjob.api.name_validation import label_name_problem
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.plugins.trainjob_status import status_path, token_audience
from jupyter_trainjob.controller_process.request_rate import RequestRate
from jupyter_trainjob.controller_process.token_verification import TokenVerifier
from jupyter_trainjob.controller_process.trainer_status import InvalidPayload, apply_request, parse_request
from jupyter_trainjob.kube.client import Client

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

MAX_BODY_BYTES: Final = 1 << 16
_DRAINED_BYTES: Final = 1 << 20
"""A longer body is not even read: its sender may get no answer, but a closed connection."""
MAX_CONNECTIONS: Final = 512
_BUFFER_BYTES: Final = 1 << 18
_BODY_SECONDS: Final = 10
_IDLE_SECONDS: Final = 10
_QPS: Final = 5.0
_BURST: Final = 10
"""Limits of writes to the API server, apart from those of the reconcilers."""
_LONGEST_WAIT: Final = 10.0
"""Seconds a request may wait for its turn. Upstream cuts the connection after them."""
_THREADS: Final = 4


class StatusService:
    """What the handlers need: the tokens, the API server, and threads for calls that block."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.verifier = TokenVerifier(client)
        self.rate = RequestRate(qps=_QPS, burst=_BURST)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="status-server")

    async def call(self, function: Callable[[], _T]) -> _T:
        """Call a function that blocks in a thread, and return its result."""
        return await IOLoop.current().run_in_executor(self._threads, function)


def new_http_server(service: StatusService, context: ssl.SSLContext) -> HTTPServer:
    """Return the server, which does not listen yet."""
    arguments = {"service": service}
    routes = [(status_path("([^/]+)", "([^/]+)"), _StatusHandler, arguments)]
    application = Application(routes, default_handler_class=_Handler, default_handler_args=arguments)
    return _LimitedServer(
        application,
        ssl_options=context,
        max_buffer_size=_BUFFER_BYTES,
        max_body_size=sys.maxsize,  # `_Handler` limits bodies, and answers those that are too large.
        body_timeout=_BODY_SECONDS,
        idle_connection_timeout=_IDLE_SECONDS,
    )


class _LimitedServer(HTTPServer):
    """Closes connections beyond the limit at once."""

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            stream.close()
        else:
            super().handle_stream(stream, address)


@dataclass(frozen=True)
class _Refusal:
    """An answer other than success: the fields of a ``Status``."""

    code: int
    reason: str
    message: str


class _Refused(Exception):
    def __init__(self, refusal: _Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


_NOT_FOUND: Final = _Refusal(HTTPStatus.NOT_FOUND, "NotFound", "Not found")
_TOO_LARGE: Final = _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", "Payload too large")
_FORBIDDEN: Final = _Refusal(HTTPStatus.FORBIDDEN, "Forbidden", "Forbidden")
_INVALID_PAYLOAD: Final = _Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", "Invalid payload")
_NO_JOB: Final = _Refusal(HTTPStatus.NOT_FOUND, "NotFound", "Train job not found")
_TOO_MANY: Final = _Refusal(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", "Too many requests")
_API_FAILURE: Final = _Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "Internal error")
_BUG: Final = _Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "Internal Server Error")


@stream_request_body
class _Handler(RequestHandler):
    """Answers errors as ``Status`` objects, and keeps bodies within their limit.

    Requests that no subclass has a method for are not found.
    """

    def initialize(self, service: StatusService) -> None:
        self._service = service
        self._body = bytearray()
        self._refusal: _Refusal | None = None
        """Known before the body, and answered after it: tornado closes the connection under a client that sends."""

    def set_default_headers(self) -> None:
        self.clear_header("Server")

    async def prepare(self) -> None:
        length = self.request.headers.get("Content-Length", "0")
        if not length.isdecimal():
            raise HTTPError(HTTPStatus.BAD_REQUEST)
        if int(length) > _DRAINED_BYTES:
            raise _Refused(_TOO_LARGE)
        if int(length) > MAX_BODY_BYTES:
            self._refusal = _TOO_LARGE

    def data_received(self, chunk: bytes) -> None:
        # Of a body without a length the beginning is kept, which is no JSON then.
        if self._refusal is None:
            self._body += chunk[: MAX_BODY_BYTES - len(self._body)]

    def answer(self, body: KubeObject) -> None:
        """Send a JSON object."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body) + "\n")

    def write_error(self, status_code: int, **details: Any) -> None:
        """Answer a request that failed, or that this handler or tornado refused."""
        error = details["exc_info"][1]
        if self._refusal is not None:
            refusal = self._refusal
        elif isinstance(error, _Refused):
            refusal = error.refusal
        elif status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            refusal = _NOT_FOUND
        elif status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            refusal = _Refusal(status_code, "BadRequest", "Bad request")
        else:
            refusal = _BUG
        self.set_status(refusal.code)
        # Without kind and apiVersion, as upstream.
        status = {"metadata": {}, "status": "Failure", "message": refusal.message, "reason": refusal.reason}
        self.answer({**status, "code": int(refusal.code)})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log failures without the request, whose headers hold a token."""
        if not isinstance(value, HTTPError | _Refused):
            _log.error("a request to the status server failed", exc_info=(typ, value, tb))


class _StatusHandler(_Handler):
    async def prepare(self) -> None:
        await super().prepare()
        if self.request.method == "POST" and self._refusal is None:
            # Before the body is read.
            self._refusal = await self._authorize(*self.path_args)

    async def _authorize(self, namespace: str, name: str) -> _Refusal | None:
        token = _bearer_token(self.request.headers.get("Authorization", ""))
        audience = token_audience(namespace, name)
        try:
            is_valid = await self._service.call(
                lambda: self._service.verifier.is_valid(token, audience=audience, namespace=namespace)
            )
        except errors.TrainJobError as error:
            _log.warning("tokens of pods cannot be verified: %s", error)
            return _API_FAILURE
        return None if is_valid else _FORBIDDEN

    async def post(self, namespace: str, name: str) -> None:
        if self._refusal is not None:
            raise _Refused(self._refusal)
        try:
            request = parse_request(bytes(self._body))
        except InvalidPayload:
            raise _Refused(_INVALID_PAYLOAD) from None
        if request:
            await self._write(request, namespace, name)
        self.answer(request)

    async def _write(self, request: KubeObject, namespace: str, name: str) -> None:
        # Users may request tokens of any audience in their namespace, so also one whose name leads to another path.
        if label_name_problem(namespace) or label_name_problem(name):
            raise _Refused(_NO_JOB)
        wait = self._service.rate.reserve(_LONGEST_WAIT)
        if wait is None:
            raise _Refused(_TOO_MANY)
        await asyncio.sleep(wait)
        client = self._service.client
        try:
            await self._service.call(lambda: apply_request(client, request, namespace=namespace, name=name))
        except (errors.Invalid, errors.BadRequest) as error:
            refusal = _Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", error.message)
            raise _Refused(refusal) from error
        except errors.NotFound as error:
            raise _Refused(_NO_JOB) from error
        except errors.TrainJobError as error:
            _log.warning("the status of TrainJob %s/%s cannot be written: %s", namespace, name, error)
            raise _Refused(_API_FAILURE) from error


def _bearer_token(header: str) -> str:
    """Return the token of an Authorization header; empty if it has none.

    >>> _bearer_token("bearer  abc "), _bearer_token("Basic abc"), _bearer_token("Bearer a b")
    ('abc', '', '')
    """
    parts = header.split()
    return parts[1] if len(parts) == 2 and parts[0].lower() == "bearer" else ""
