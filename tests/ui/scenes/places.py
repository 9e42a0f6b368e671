"""Clusters without a daemon, and the answers of ``jupyter_trainjob.server``'s routes about them."""

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
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, NAMESPACES, NODES, PODS, KubeObject
from jupyter_trainjob.client import context
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.doctor.finding import Check
from jupyter_trainjob.client.job_list import JobList
from jupyter_trainjob.client.snapshot import Snapshot
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import EMBEDDED_CONTEXT, STATE_DIR_ENV
from jupyter_trainjob.feed.list_feed import JobListFeed
from jupyter_trainjob.feed.rate_limit import RateLimiter
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.server import cluster_routes
from jupyter_trainjob.server.job_form import draft_line
from tests.paths import ROOT
from tests.ui.scenes.recorded import Message

REMOTE = "gpu-cluster-eu-west"
RUNTIMES = ROOT / "runtimes"


@dataclass(frozen=True)
class Machine:
    """A node and the resource requests of its pods."""

    name: str
    allocatable: Mapping[str, str]
    used: Mapping[str, str]
    gpu: str = ""
    ready: bool = True


HERE = Machine("this-computer", {"cpu": "8", "memory": "24576Mi"}, {"cpu": "7600m", "memory": "5222Mi"})


@dataclass(frozen=True)
class Forbidding:
    """A client that may not read cluster-scoped objects."""

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
    """Make `name` a cluster with these nodes inside the context, and the embedded one `running` or not."""
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        store = Store(Path(folder) / "store.db")
        stack.callback(store.close)
        client = Client(ApiServer(store, version="0.0.0"))
        _fill(client, machines)
        client_of_page = client if may_look else cast("Client", Forbidding(client))
        connection = Connection(name, client_of_page, "default")
        connection.__dict__["_watcher"] = client_of_page  # The real one would search for a daemon.
        stack.enter_context(mock.patch.dict("os.environ", {STATE_DIR_ENV: folder}))
        stack.enter_context(mock.patch.dict(context._connections, {name: connection}))
        stack.enter_context(
            mock.patch("jupyter_trainjob.kube.kubeconfig_file.context_namespaces", return_value={REMOTE: "research"})
        )
        daemon = object() if running else None
        stack.enter_context(mock.patch("jupyter_trainjob.cluster.daemon.launcher.running_daemon", return_value=daemon))
        yield


def cluster_info(name: str = EMBEDDED_CONTEXT) -> dict[str, Any]:
    """Return the routes' answers for the sidebar, as ``ClusterInfo`` of ``sidebar/model.ts``."""
    namespaces, capacity = cluster_routes.list_namespaces(name), cluster_routes.read_capacity(name)
    return {
        "clusters": cluster_routes.list_clusters()["clusters"],
        "namespaces": namespaces["namespaces"],
        "hasAllNamespaces": namespaces["why"] == "",
        "nodes": capacity["nodes"],
        "runtimes": runtimes(name),
        "hidden": [why for why in (namespaces["why"], capacity["why"]) if why],
    }


def empty_info() -> dict[str, Any]:
    """Return the sidebar's information about a cluster that does not answer."""
    return {
        "clusters": cluster_routes.list_clusters()["clusters"],
        "namespaces": [],
        "hasAllNamespaces": False,
        "nodes": [],
        "runtimes": [],
        "hidden": [],
    }


def runtimes(name: str = EMBEDDED_CONTEXT) -> list[dict[str, Any]]:
    """Return the cluster's runtimes."""
    listed: list[dict[str, Any]] = cluster_routes.list_runtimes(name, None)["runtimes"]
    return listed


def line(typed: Mapping[str, str]) -> dict[str, Any]:
    """Return the draft of the form's route for these values and the default cluster."""
    return {"answer": draft_line(typed, context=None, namespace=None)}


def findings(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the answer of the doctor's route with these checks."""
    with mock.patch("jupyter_trainjob.client.doctor.examination.examine", return_value=list(checks)):
        return {"answer": cluster_routes.run_doctor(None)["checks"]}


def started(name: str = EMBEDDED_CONTEXT, namespace: str = "default") -> Message:
    """Return the first message of a channel: see ``server/stream_session.py``."""
    return {"kind": "started", "context": name, "namespace": namespace}, []


def listed(jobs: Sequence[Snapshot], *, trouble: str = "", synced: bool = True) -> list[Message]:
    """Return the first messages of a list of these jobs, `synced` or not."""
    messages: list[Message] = []
    board = cast("JobList", _Board(jobs, trouble, synced))
    feed = JobListFeed(board, send=lambda *message: messages.append(message), rate_limiter=RateLimiter())
    feed.send_due()
    return messages


@dataclass(frozen=True)
class _Board:
    jobs: Sequence[Snapshot]
    sync_error: str
    synced: bool

    def snapshots(self) -> list[Snapshot]:
        return list(self.jobs)

    def follows(self, _: str) -> bool:
        return True


def _fill(client: Client, machines: Sequence[Machine]) -> None:
    for path in sorted(RUNTIMES.glob("*.yaml")):
        client.create(CLUSTERTRAININGRUNTIMES, yaml.safe_load(path.read_text()))
    for machine in machines:
        labels = {"nvidia.com/gpu.product": machine.gpu} if machine.gpu else {}
        node: KubeObject = {"metadata": {"name": machine.name, "labels": labels}, "spec": {}}
        client.create(NODES, node)
        conditions = [{"type": "Ready", "status": str(machine.ready)}]
        status = {"allocatable": dict(machine.allocatable), "conditions": conditions}
        client.patch(NODES, machine.name, {"status": status}, subresource="status")
        if machine.used:
            container = {"name": "node", "image": "x", "resources": {"requests": dict(machine.used)}}
            pod: KubeObject = {
                "metadata": {"name": f"on-{machine.name}"},
                "spec": {"nodeName": machine.name, "containers": [container]},
            }
            client.create(PODS, pod, namespace="default")
