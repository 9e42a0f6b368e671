"""Clusters without a daemon, and what the routes of ``jupyter_trainjob.server`` answer about them, recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from unittest import mock

import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, NAMESPACES, NODES, PODS, Object
from jupyter_trainjob.client import context
from jupyter_trainjob.client.board import Board
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.doctor import Check
from jupyter_trainjob.client.snapshot import Snapshot
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.constants import EMBEDDED_CONTEXT, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.server import clusters
from jupyter_trainjob.server.form import drafted
from jupyter_trainjob.widget.budget import Budget
from jupyter_trainjob.widget.panel import JobsFeed
from tests.ui.scenes.recorded import Message

REMOTE = "gpu-cluster-eu-west"
RUNTIMES = Path(__file__).parents[3] / "runtimes"


@dataclass(frozen=True)
class Machine:
    """A node, with what its pods ask for."""

    name: str
    allocatable: Mapping[str, str]
    used: Mapping[str, str]
    gpu: str = ""
    ready: bool = True


HERE = Machine("this-computer", {"cpu": "8", "memory": "24576Mi"}, {"cpu": "7600m", "memory": "5222Mi"})


@dataclass(frozen=True)
class Forbidding:
    """A client that may read nothing that belongs to the whole cluster."""

    client: Client

    def list(self, resource: Any, **more: Any) -> Any:
        if resource in (NODES, NAMESPACES):
            why = f'{resource.plural} is forbidden: User "ada" cannot list resource "{resource.plural}"'
            raise errors.Forbidden(403, "Forbidden", why)
        return self.client.list(resource, **more)


@contextlib.contextmanager
def cluster(
    name: str = EMBEDDED_CONTEXT, machines: Sequence[Machine] = (HERE,), *, running: bool = True, may_look: bool = True
) -> Iterator[None]:
    """Make `name` a cluster with these nodes, as long as it is used, and the embedded one `running` or not."""
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        store = Store(Path(folder) / "store.db")
        stack.callback(store.close)
        client = Client(Core(store, version="0.0.0"))
        _fill(client, machines)
        seen = client if may_look else cast("Client", Forbidding(client))
        connection = Connection(name, seen, "default")
        connection.__dict__["watcher"] = seen  # That of the embedded one would look for a daemon.
        stack.enter_context(mock.patch.dict("os.environ", {STATE_DIR_ENV: folder}))
        stack.enter_context(mock.patch.dict(context._connections, {name: connection}))
        stack.enter_context(mock.patch("jupyter_trainjob.kube.config.namespaces", return_value={REMOTE: "research"}))
        daemon = object() if running else None
        stack.enter_context(mock.patch("jupyter_trainjob.cluster.launch.running", return_value=daemon))
        yield


def known(name: str = EMBEDDED_CONTEXT) -> dict[str, Any]:
    """Return what the sidebar knows, in the shape of ``Known`` in ``sidebar/model.ts``, as the routes say it now."""
    spaces, room = clusters.namespaces(name), clusters.capacity(name)
    return {
        "clusters": clusters.known()["clusters"],
        "namespaces": spaces["namespaces"],
        "nodes": room["nodes"],
        "runtimes": runtimes(name),
        "hidden": [why for why in (spaces["why"], room["why"]) if why],
    }


def unknown() -> dict[str, Any]:
    """Return what it knows of a cluster that says nothing."""
    return {
        "clusters": clusters.known()["clusters"],
        "namespaces": [],
        "nodes": [],
        "runtimes": [],
        "hidden": [],
    }


def runtimes(name: str = EMBEDDED_CONTEXT) -> list[dict[str, Any]]:
    """Return the runtimes that there are."""
    found: list[dict[str, Any]] = clusters.runtimes(name, None)["runtimes"]
    return found


def line(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form's route makes of what was typed for calls that name no cluster."""
    return {"answer": drafted(typed, context=None, namespace=None)}


def findings(checks: Sequence[Check]) -> dict[str, Any]:
    """Return what the doctor's route says."""
    with mock.patch("jupyter_trainjob.client.doctor.examine", return_value=list(checks)):
        return {"answer": clusters.doctor(None)["checks"]}


def started(name: str = EMBEDDED_CONTEXT, namespace: str = "default") -> Message:
    """Return the first that is heard of a place: see ``server/tab.py``."""
    return {"kind": "started", "context": name, "namespace": namespace}, []


def listed(jobs: Sequence[Snapshot], *, trouble: str = "", synced: bool = True) -> list[Message]:
    """Return what the list of these jobs says at first; it says less where it is not `synced` yet."""
    messages: list[Message] = []
    board = cast("Board", _Board(jobs, trouble, synced))
    feed = JobsFeed(board, send=lambda *message: messages.append(message), budget=Budget())
    feed.tell()
    return messages


@dataclass(frozen=True)
class _Board:
    jobs: Sequence[Snapshot]
    trouble: str
    synced: bool

    def snapshots(self) -> list[Snapshot]:
        return list(self.jobs)


def _fill(client: Client, machines: Sequence[Machine]) -> None:
    for path in sorted(RUNTIMES.glob("*.yaml")):
        client.create(CLUSTERTRAININGRUNTIMES, yaml.safe_load(path.read_text()))
    for machine in machines:
        labels = {"nvidia.com/gpu.product": machine.gpu} if machine.gpu else {}
        node: Object = {"metadata": {"name": machine.name, "labels": labels}, "spec": {}}
        client.create(NODES, node)
        conditions = [{"type": "Ready", "status": str(machine.ready)}]
        status = {"allocatable": dict(machine.allocatable), "conditions": conditions}
        client.patch(NODES, machine.name, {"status": status}, subresource="status")
        if machine.used:
            container = {"name": "node", "image": "x", "resources": {"requests": dict(machine.used)}}
            pod: Object = {
                "metadata": {"name": f"on-{machine.name}"},
                "spec": {"nodeName": machine.name, "containers": [container]},
            }
            client.create(PODS, pod, namespace="default")
