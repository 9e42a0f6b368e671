"""Handle one request of the Kubernetes API, independent of any web framework.

It is a `kube.transport.Transport`: controllers in the daemon call it directly, other clients through `https_server`,
and both get the same bytes. It selects the verb and the resource; the verbs are in `verbs`. It never raises: errors are
responses with a ``Status``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone

from jupyter_trainjob import errors
from jupyter_trainjob.api.kinds import priority_classes
from jupyter_trainjob.api.resources import NAMESPACES, PODS, PRIORITYCLASSES, KubeObject
from jupyter_trainjob.cluster.apiserver import discovery, openapi, status_errors
from jupyter_trainjob.cluster.apiserver.admission import kind_strategies
from jupyter_trainjob.cluster.apiserver.requests import paths
from jupyter_trainjob.cluster.apiserver.requests.paths import Target
from jupyter_trainjob.cluster.apiserver.requests.request_bodies import bool_parameter, check_size
from jupyter_trainjob.cluster.apiserver.responses import JSON, Body, Stream, dump_json, error_response
from jupyter_trainjob.cluster.apiserver.verbs import pod_logs
from jupyter_trainjob.cluster.apiserver.verbs.deletion import DeleteHandler
from jupyter_trainjob.cluster.apiserver.verbs.pod_logs import LogSource
from jupyter_trainjob.cluster.apiserver.verbs.reads import ReadHandler
from jupyter_trainjob.cluster.apiserver.verbs.writes import WriteHandler
from jupyter_trainjob.cluster.store.object_store import Store, StoreClosed
from jupyter_trainjob.kube.transport import Request

__all__ = ["ApiServer", "LogSource"]

ApiResponse = Body | Stream

_log = logging.getLogger(__name__)
_HEALTH = ("/healthz", "/livez", "/readyz")
_BOOKMARK_SECONDS = 60.0


class ApiServer:
    """The embedded API server. Thread-safe; `logs` may be set after construction."""

    def __init__(
        self,
        store: Store,
        *,
        logs: LogSource | None = None,
        version: str,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        bookmark_seconds: float = _BOOKMARK_SECONDS,
        check_runtimes: bool = False,
    ) -> None:
        """With `check_runtimes`, reject TrainJobs that do not match their runtime, as Trainer's webhook does."""
        self.logs = logs
        self._now = now
        self._store = store
        self._reads = ReadHandler(store, bookmark_seconds=bookmark_seconds)
        self._writes = WriteHandler(store, now=now, check_runtimes=check_runtimes)
        self._deletion = DeleteHandler(store, now=now)
        documents = {**discovery.discovery_documents(version), **openapi.openapi_documents(version)}
        self._documents = {path: dump_json(document) for path, document in documents.items()}
        for name in kind_strategies.PROTECTED_NAMESPACES:
            namespace: KubeObject = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            with suppress(errors.AlreadyExists):
                self._writes.create_object(NAMESPACES, namespace, namespace=None)
        for priority_class in priority_classes.SYSTEM:
            with suppress(errors.AlreadyExists):
                self._writes.create_object(PRIORITYCLASSES, dict(priority_class), namespace=None)

    def send(self, request: Request, *, timeout: float | None = None) -> ApiResponse:  # noqa: ARG002 - of the protocol
        """Return the response to a request; errors are responses with a Status."""
        try:
            return self._handle(request)
        except errors.ApiError as error:
            return error_response(error)
        except StoreClosed:
            return error_response(status_errors.unavailable("the embedded cluster is shutting down"))
        except errors.ClusterError as error:
            _log.error("%s %s: %s", request.method, request.path, error)
            return error_response(status_errors.internal(str(error)))
        except Exception as error:  # noqa: BLE001 - a bug must not end the calling thread
            _log.exception("%s %s failed", request.method, request.path)
            return error_response(status_errors.internal(str(error)))

    def _handle(self, request: Request) -> ApiResponse:
        path = request.path.rstrip("/") or "/"
        target = paths.parse_path(path)
        if target is not None:
            _check_accept(request)
            check_size(request)
            return self._handle_resource(request, target)
        if request.method != "GET":
            raise (
                status_errors.method_not_allowed() if self._document(path) is not None else status_errors.unknown_path()
            )
        document = self._document(path)
        if document is None:
            raise status_errors.unknown_path()
        return document

    def _document(self, path: str) -> Body | None:
        if path in self._documents:
            return Body(self._documents[path])
        if path == openapi.V2_PATH:
            return Body(b"", content_type=openapi.V2_CONTENT_TYPE)
        if path in _HEALTH or path.startswith(tuple(f"{prefix}/" for prefix in _HEALTH)):
            return Body(b"ok", content_type="text/plain")
        return None

    def _handle_resource(self, request: Request, target: Target) -> ApiResponse:
        if target.subresource is not None:
            return self._handle_subresource(request, target)
        if target.name is not None:
            return self._handle_object(request, target)
        match request.method:
            case "GET" if bool_parameter(request.query, "watch"):
                return self._reads.watch(request, target)
            case "GET":
                return self._reads.list(request, target)
            case "POST" if target.namespace is not None or not target.resource.namespaced:
                return self._writes.create(request, target)
            case "DELETE" if target.namespace is not None or not target.resource.namespaced:
                return self._deletion.delete_collection(request, target)
        raise status_errors.method_not_allowed()

    def _handle_object(self, request: Request, target: Target) -> ApiResponse:
        match request.method:
            case "GET":
                return self._reads.get(request, target)
            case "PUT":
                return self._writes.update(request, target)
            case "PATCH":
                return self._writes.patch(request, target)
            case "DELETE":
                return self._deletion.delete(request, target)
        raise status_errors.method_not_allowed()

    def _handle_subresource(self, request: Request, target: Target) -> ApiResponse:
        resource, part = target.resource, target.subresource
        match request.method:
            case "GET" if part == "status" and resource.status:
                return self._reads.get(request, target)
            case "PUT" if (part == "status" and resource.status) or (part == "finalize" and resource == NAMESPACES):
                return self._writes.update(request, target)
            case "PATCH" if part == "status" and resource.status:
                return self._writes.patch(request, target)
            case "POST" if part == "binding" and resource == PODS:
                return self._writes.bind(request, target)
            case "GET" if part == "log" and resource == PODS:
                stored = self._store.get(PODS.qualified, target.key)
                if stored is None:
                    raise status_errors.not_found(PODS, target.name or "")
                return pod_logs.log_response(request, json.loads(stored[1]), self.logs, self._now)
        supported = {"status": resource.status, "finalize": resource == NAMESPACES}
        supported |= {"binding": resource == PODS, "log": resource == PODS}
        raise status_errors.method_not_allowed() if supported.get(part or "") else status_errors.unknown_path()


def _check_accept(request: Request) -> None:
    """Raise 406 for clients that accept no supported format."""
    kinds = {part.partition(";")[0].strip().lower() for part in request.accept.split(",")}
    if not kinds & {"", "*/*", "application/*", JSON} and not request.path.endswith("/log"):
        raise status_errors.not_acceptable([JSON])
