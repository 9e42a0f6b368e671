"""An agent that runs real processes, over a minimal API server."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from jupyter_trainjob.api.resources import ALL, PODS, KubeObject, Resource
from jupyter_trainjob.cluster.agent.agent import Agent
from jupyter_trainjob.cluster.agent.containers.container_logs import LogStream
from jupyter_trainjob.cluster.agent.containers.container_run import Run
from jupyter_trainjob.cluster.agent.containers.isolation import Isolation, detect_isolation
from jupyter_trainjob.cluster.agent.containers.sandbox import Sandbox
from jupyter_trainjob.constants import NODE_NAME
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request
from tests.waiting import patience

ALLOWED = detect_isolation()
SUBSTITUTE = Isolation(refusal="the test wants none")
SECONDS = patience(60)


class Answer:
    """A complete answer, or a stream of changes."""

    def __init__(self, status: int, body: Any, stream: Callable[[Answer], Iterator[bytes]] | None = None) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {}
        self.closed = False
        self._body = json.dumps(body).encode()
        self._stream = stream

    def read(self) -> bytes:
        return self._body

    def __iter__(self) -> Iterator[bytes]:
        return self._stream(self) if self._stream else iter([self._body])

    def close(self) -> None:
        self.closed = True


class Api:
    """A minimal API server for an agent, over a dict."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str, str], KubeObject] = {}
        self._changes: list[tuple[str, str, KubeObject]] = []
        self._moved = threading.Condition()
        self._resources = {(one.group, one.plural): one for one in ALL}

    def send(self, request: Request, *, timeout: float | None = None) -> Answer:
        parts = request.path.strip("/").split("/")
        group, parts = (parts[1], parts[3:]) if parts[0] == "apis" else ("", parts[2:])
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        resource = self._resources[group, parts[0]]
        name = parts[1] if len(parts) > 1 else ""
        body = json.loads(request.body) if request.body else {}
        with self._moved:
            if request.method == "GET" and not name:
                return self._list_or_watch(resource, namespace, request.query)
            if request.method == "POST":
                return self._create(resource, namespace, body)
            stored = self._objects.get((resource.plural, namespace, name))
            if stored is None:
                return refused(404, "NotFound", f"{name} not found")
            if request.method == "PATCH":
                uid = body.get("metadata", {}).get("uid")
                if uid not in (None, stored["metadata"]["uid"]):
                    return refused(409, "Conflict", "another uid")
                return Answer(200, self._put("MODIFIED", resource, merged(stored, body)))
            if request.method == "DELETE":
                return self._delete(resource, stored, body.get("gracePeriodSeconds"))
            return Answer(200, stored)

    def _list_or_watch(self, resource: Resource, namespace: str, query: Mapping[str, str]) -> Answer:
        path, _, value = query.get("fieldSelector", "").partition("=")

        def matches(obj: KubeObject) -> bool:
            field: Any = obj
            for key in filter(None, path.split(".")):
                field = field.get(key, {})
            return not path or field == value

        def wanted(obj: KubeObject) -> bool:
            return matches(obj) and (not namespace or obj["metadata"].get("namespace") == namespace)

        if query.get("watch"):
            after = int(query["resourceVersion"])
            return Answer(200, {}, lambda answer: self._follow(answer, resource, wanted, after))
        items = [obj for key, obj in self._objects.items() if key[0] == resource.plural and wanted(obj)]
        return Answer(200, {"items": items, "metadata": {"resourceVersion": str(len(self._changes))}})

    def _follow(
        self, answer: Answer, resource: Resource, wanted: Callable[[KubeObject], bool], after: int
    ) -> Iterator[bytes]:
        while not answer.closed:
            with self._moved:
                if len(self._changes) <= after:
                    self._moved.wait(0.1)
                news, after = self._changes[after:], len(self._changes)
            for kind, plural, obj in news:
                if plural == resource.plural and wanted(obj):
                    yield json.dumps({"type": kind, "object": obj}).encode() + b"\n"

    def _create(self, resource: Resource, namespace: str, obj: KubeObject) -> Answer:
        if (resource.plural, namespace, obj["metadata"]["name"]) in self._objects:
            return refused(409, "AlreadyExists", "exists")
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        metadata = {"uid": str(uuid.uuid4()), "creationTimestamp": stamp, **obj["metadata"]}
        if resource.namespaced:
            metadata["namespace"] = namespace
        return Answer(201, self._put("ADDED", resource, {**obj, "metadata": metadata}))

    def _delete(self, resource: Resource, obj: KubeObject, grace: int | None) -> Answer:
        if resource is PODS and grace != 0:
            seconds = grace if grace is not None else obj["spec"].get("terminationGracePeriodSeconds", 30)
            marks = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": seconds}
            return Answer(200, self._put("MODIFIED", resource, merged(obj, {"metadata": marks})))
        del self._objects[resource.plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]]
        self._record("DELETED", resource, obj)
        return Answer(200, obj)

    def _put(self, kind: str, resource: Resource, obj: KubeObject) -> KubeObject:
        obj = merged(obj, {"metadata": {"resourceVersion": str(len(self._changes) + 1)}})
        self._objects[resource.plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]] = obj
        self._record(kind, resource, obj)
        return obj

    def _record(self, kind: str, resource: Resource, obj: KubeObject) -> None:
        version = {"metadata": {"resourceVersion": str(len(self._changes) + 1)}}
        self._changes.append((kind, resource.plural, merged(obj, version)))
        self._moved.notify_all()

    def wait(self, condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
        """Return the first truthy result of `condition`, which is called again after every change."""
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            with self._moved:
                self._moved.wait(0.05)
        return result


def refused(code: int, reason: str, message: str) -> Answer:
    return Answer(code, {"kind": "Status", "code": code, "reason": reason, "message": message})


def merged(obj: KubeObject, patch: KubeObject) -> KubeObject:
    """Return `obj` after a JSON merge patch."""
    result = dict(obj)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = value
    return result


class Cluster:
    """An API and agents over one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.api = Api()
        self.client = Client(self.api)
        self.agents: list[Agent] = []

    def agent(self, isolation: Isolation = ALLOWED, **options: Any) -> Agent:
        agent = Agent(self.client, self.root, isolation=isolation, **options)
        agent.start()
        self.agents.append(agent)
        return agent

    def run(self, *command: str, name: str = "pod", **options: Any) -> KubeObject:
        """Create a pod that is bound to the node."""
        return self.client.create(PODS, pod(*command, name=name, **options), namespace="default")

    def script(self, code: str, *, name: str = "pod", **options: Any) -> KubeObject:
        return self.run("python", "-c", code, name=name, **options)

    def get(self, name: str = "pod") -> KubeObject:
        return self.client.get(PODS, name, namespace="default")

    def phase(self, name: str = "pod") -> str:
        return str((self.get(name).get("status") or {}).get("phase"))

    def until(self, *phases: str, name: str = "pod", seconds: float = SECONDS) -> KubeObject:
        self.api.wait(lambda: self.phase(name) in phases, seconds)
        return self.get(name)

    def ended(self, name: str = "pod", seconds: float = SECONDS) -> KubeObject:
        """Return the terminated state of a pod's container."""
        finished = self.until("Succeeded", "Failed", name=name, seconds=seconds)
        state: KubeObject = finished["status"]["containerStatuses"][0]["state"]["terminated"]
        return state

    def log(self, name: str = "pod", **options: Any) -> str:
        """Return a pod's log so far."""
        return b"".join(self.stream(self.get(name), **options)).decode()

    def stream(self, pod: KubeObject, **options: Any) -> LogStream:
        """Open a pod's log."""
        wanted: dict[str, Any] = {"tail_lines": None, "since_time": None, "limit_bytes": None}
        wanted |= {"container": "", "follow": False, "timestamps": False, "previous": False, **options}
        return self.agents[-1].logs.open(pod, **wanted)

    def until_log(self, text: str, name: str = "pod") -> str:
        def shown() -> str:
            log = self.log(name) if self.newest(name).pids() else ""
            return log if text in log else ""

        return str(self.api.wait(shown))

    def box(self, name: str = "pod") -> Sandbox:
        return Sandbox(self.root / "pods" / self.get(name)["metadata"]["uid"])

    def newest(self, name: str = "pod", container: str = "node") -> Run:
        """Return the newest run of a container; the first, if there is none yet."""
        box = self.box(name)
        return (box.runs(container) or [box.run(container, 0)])[-1]


def pod(*command: str, name: str = "pod", container: KubeObject | None = None, **options: Any) -> KubeObject:
    """Return a pod of one container; `options` go into its metadata (labels, annotations) or its spec."""
    metadata: KubeObject = {key: options.pop(key) for key in ("labels", "annotations") if key in options}
    metadata["name"] = name
    one: KubeObject = {
        "name": "node",
        "image": "none",
        "command": list(command),
        "workingDir": "/",
        **(container or {}),
    }
    spec = {"containers": [one], "restartPolicy": "Never", "nodeName": NODE_NAME, **options}
    return {"metadata": metadata, "spec": spec}


def processes(root: Path) -> list[psutil.Process]:
    """Return the processes that were started for the agents over `root`, and everything below them."""
    matches = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            mark = process.environ().get("TEST_ROOT")
        except psutil.Error:
            continue
        if process.pid != os.getpid() and (str(root) in words or mark == str(root)):
            matches.append(process)
    return matches
