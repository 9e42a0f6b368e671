"""An API server of ConfigMaps for the tests of informers, which can break its watches."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.transport import Request, Response


class Answer:
    """A complete response."""

    def __init__(self, status: int, body: KubeObject) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {}
        self._body = json.dumps(body).encode()

    def read(self) -> bytes:
        return self._body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        pass


class Stream:
    """A streamed response, which a test ends or breaks."""

    status = 200

    def __init__(self) -> None:
        self.headers: Mapping[str, str] = {}
        self.lines: queue.SimpleQueue[KubeObject | Exception | None] = queue.SimpleQueue()

    def read(self) -> bytes:
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        while (line := self.lines.get()) is not None:
            if isinstance(line, Exception):
                raise line
            yield json.dumps(line).encode() + b"\n"

    def close(self) -> None:
        self.lines.put(None)


class Server:
    """ConfigMaps with resource versions, watches, compaction, and faults on demand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._log: list[tuple[int, str, KubeObject]] = []
        self._objects: dict[str, KubeObject] = {}
        self._streams: list[Stream] = []
        self._compacted = 0
        self.version = 0
        self.refuse = 0
        self.requests: list[str] = []

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        with self._lock:
            self.requests.append("WATCH" if request.stream else "LIST")
            if self.refuse:
                self.refuse -= 1
                raise errors.ClusterError("connection refused")
            if not request.stream:
                listing = {"items": list(self._objects.values()), "metadata": {"resourceVersion": str(self.version)}}
                return Answer(200, listing)
            after = int(request.query["resourceVersion"])
            stream = Stream()
            if after < self._compacted:
                stream.lines.put({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})
                stream.close()
                return stream
            for version, kind, obj in self._log:
                if version > after:
                    stream.lines.put({"type": kind, "object": obj})
            self._streams.append(stream)
            return stream

    def put(self, name: str, value: int, owner: str | None = None) -> None:
        with self._lock:
            self.version += 1
            metadata: KubeObject = {"namespace": "ns", "name": name, "resourceVersion": str(self.version)}
            if owner is not None:
                reference = {"kind": "TrainJob", "name": owner, "uid": f"uid-{owner}", "controller": True}
                metadata["ownerReferences"] = [reference]
            obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "value": value}
            kind = "MODIFIED" if name in self._objects else "ADDED"
            self._objects[name] = obj
            self._send(kind, obj)

    def delete(self, name: str) -> None:
        with self._lock:
            obj = self._objects.pop(name, None)
            if obj is not None:
                self.version += 1
                metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
                self._send("DELETED", {**obj, "metadata": metadata})

    def compact(self) -> None:
        with self._lock:
            self._log.clear()
            self._compacted = self.version

    def end_watches(self, error: Exception | None = None) -> None:
        with self._lock:
            for stream in self._streams:
                stream.lines.put(error)
            self._streams.clear()

    def bookmark(self) -> None:
        with self._lock:
            self.version += 1
            mark: KubeObject = {"kind": "ConfigMap", "metadata": {"resourceVersion": str(self.version)}}
            for stream in self._streams:
                stream.lines.put({"type": "BOOKMARK", "object": mark})

    def state(self) -> dict[str, int]:
        with self._lock:
            return {name: obj["value"] for name, obj in self._objects.items()}

    @property
    def watches(self) -> int:
        with self._lock:
            return len(self._streams)

    def _send(self, kind: str, obj: KubeObject) -> None:
        self._log.append((self.version, kind, obj))
        for stream in self._streams:
            stream.lines.put({"type": kind, "object": obj})


def values(informer: Informer) -> dict[str, int]:
    return {obj["metadata"]["name"]: obj["value"] for obj in informer.list()}
