"""The request core: one request of the Kubernetes API in, one answer out, without any web framework.

It is a `kube.transport.Transport`: reconcilers inside the daemon call it directly, everybody else through `http`, and
both get the same bytes. It decides which verb of which resource is meant; the verbs are in `reads`, `writes`,
`deletion`, `watches` and `logs`. Nothing that goes wrong with a request raises: the answer is a ``Status``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone

from jupyter_trainjob import errors
from jupyter_trainjob.api import priorityclasses
from jupyter_trainjob.api.resources import NAMESPACES, PODS, PRIORITYCLASSES, Object
from jupyter_trainjob.cluster.apiserver import discovery, logs, openapi, paths, status, strategy
from jupyter_trainjob.cluster.apiserver.bodies import check_size, flag
from jupyter_trainjob.cluster.apiserver.deletion import Deletion
from jupyter_trainjob.cluster.apiserver.logs import LogSource
from jupyter_trainjob.cluster.apiserver.paths import Target
from jupyter_trainjob.cluster.apiserver.reads import Reads
from jupyter_trainjob.cluster.apiserver.responses import JSON, Body, Stream, dumps, refusal
from jupyter_trainjob.cluster.apiserver.writes import Writes
from jupyter_trainjob.cluster.store import Closed, Store
from jupyter_trainjob.kube.transport import Request

__all__ = ["Core", "LogSource"]

Answer = Body | Stream

_log = logging.getLogger(__name__)
_HEALTH = ("/healthz", "/livez", "/readyz")
_BOOKMARK_SECONDS = 60.0


class Core:
    """The embedded API server. Thread-safe; `logs` may be set after it was made."""

    def __init__(
        self,
        store: Store,
        *,
        logs: LogSource | None = None,
        version: str,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        bookmark_seconds: float = _BOOKMARK_SECONDS,
    ) -> None:
        self.logs = logs
        self._now = now
        self._store = store
        self._reads = Reads(store, bookmark_seconds=bookmark_seconds)
        self._writes = Writes(store, now=now)
        self._deletion = Deletion(store, now=now)
        found = {**discovery.documents(version), **openapi.documents(version)}
        self._documents = {path: dumps(document) for path, document in found.items()}
        for name in strategy.PROTECTED_NAMESPACES:
            namespace: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            with suppress(errors.AlreadyExists):
                self._writes.create_object(NAMESPACES, namespace, namespace=None)
        for priority_class in priorityclasses.SYSTEM:
            with suppress(errors.AlreadyExists):
                self._writes.create_object(PRIORITYCLASSES, dict(priority_class), namespace=None)

    def send(self, request: Request, *, timeout: float | None = None) -> Answer:  # noqa: ARG002 - of the protocol
        """Answer a request; what it refuses is a Status, too."""
        try:
            return self._answer(request)
        except errors.ApiError as error:
            return refusal(error)
        except Closed:
            return refusal(status.unavailable("the embedded cluster is shutting down"))
        except errors.ClusterError as error:
            _log.error("%s %s: %s", request.method, request.path, error)
            return refusal(status.internal(str(error)))
        except Exception as error:  # noqa: BLE001 - a bug must not end the thread that asked
            _log.exception("%s %s failed", request.method, request.path)
            return refusal(status.internal(str(error)))

    def _answer(self, request: Request) -> Answer:
        path = request.path.rstrip("/") or "/"
        target = paths.parse(path)
        if target is not None:
            _check_accept(request)
            check_size(request)
            return self._resource(request, target)
        if request.method != "GET":
            raise status.method_not_allowed() if self._document(path) is not None else status.unknown_path()
        document = self._document(path)
        if document is None:
            raise status.unknown_path()
        return document

    def _document(self, path: str) -> Body | None:
        if path in self._documents:
            return Body(self._documents[path])
        if path == openapi.OLD:
            return Body(b"", content_type=openapi.OLD_TYPE)
        if path in _HEALTH or path.startswith(tuple(f"{each}/" for each in _HEALTH)):
            return Body(b"ok", content_type="text/plain")
        return None

    def _resource(self, request: Request, target: Target) -> Answer:
        if target.subresource is not None:
            return self._part(request, target)
        if target.name is not None:
            return self._one(request, target)
        match request.method:
            case "GET" if flag(request.query, "watch"):
                return self._reads.watch(request, target)
            case "GET":
                return self._reads.list(request, target)
            case "POST" if target.namespace is not None or not target.resource.namespaced:
                return self._writes.create(request, target)
            case "DELETE" if target.namespace is not None or not target.resource.namespaced:
                return self._deletion.collection(request, target)
        raise status.method_not_allowed()

    def _one(self, request: Request, target: Target) -> Answer:
        match request.method:
            case "GET":
                return self._reads.get(request, target)
            case "PUT":
                return self._writes.update(request, target)
            case "PATCH":
                return self._writes.patch(request, target)
            case "DELETE":
                return self._deletion.one(request, target)
        raise status.method_not_allowed()

    def _part(self, request: Request, target: Target) -> Answer:
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
                found = self._store.get(PODS.qualified, target.key)
                if found is None:
                    raise status.not_found(PODS, target.name or "")
                return logs.answer(request, json.loads(found[1]), self.logs, self._now)
        known = {"status": resource.status, "finalize": resource == NAMESPACES}
        known |= {"binding": resource == PODS, "log": resource == PODS}
        raise status.method_not_allowed() if known.get(part or "") else status.unknown_path()


def _check_accept(request: Request) -> None:
    """Refuse clients that take nothing but formats outside the profile."""
    kinds = {part.partition(";")[0].strip().lower() for part in request.accept.split(",")}
    if not kinds & {"", "*/*", "application/*", JSON} and not request.path.endswith("/log"):
        raise status.not_acceptable([JSON])
