"""The daemon starts whatever is stored: objects that it cannot process are quarantined and reported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, EVENTS, JOBS, JOBSETS, PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.client.doctor import computer_checks
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.daemon import daemon_status, launcher
from jupyter_trainjob.cluster.daemon.launcher import EmbeddedTransport
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.cluster.store import quarantine
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from tests.embedded import kill_daemon, processes_of
from tests.waiting import patience, wait_for

NO_PYTHON = "/nonexistent/python"
DAEMON_BYTES = 4 << 30
"""Address space of the daemon: threads and SQLite reserve some, a list for each of a million pods takes more."""


def meta(name: str) -> KubeObject:
    return {"namespace": "default", "name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}


def replicated(**sizes: int) -> KubeObject:
    return {"name": "node", "replicas": sizes.pop("replicas", 1), "template": {"spec": sizes}}


UNUSABLE: dict[str, tuple[Any, KubeObject, str]] = {
    "a TrainJob of too many nodes": (
        TRAINJOBS,
        {"metadata": meta("x"), "spec": {"suspend": True, "trainer": {"numNodes": 2**31}}},
        "spec.trainer.numNodes is 2147483648, which is out of range",
    ),
    "a Job of a million indexes": (
        JOBS,
        {"metadata": meta("x"), "spec": {"completionMode": "Indexed", "parallelism": 10**6}},
        "spec.parallelism is 1000000, which is out of range",
    ),
    "a JobSet of too many replicas": (
        JOBSETS,
        {"metadata": meta("x"), "spec": {"replicatedJobs": [replicated(replicas=2**31)]}},
        "spec.replicatedJobs[0].replicas is 2147483648, which is out of range",
    ),
    "a size that is text": (
        TRAINJOBS,
        {"metadata": meta("x"), "spec": {"trainer": {"numNodes": "many"}}},
        "it cannot be read: ValueError",
    ),
    "a spec that is a list": (JOBS, {"metadata": meta("x"), "spec": [1]}, "it cannot be read: AttributeError"),
    "more bytes than a request body": (
        CONFIGMAPS,
        {"metadata": meta("x"), "data": {"a": "x" * quarantine.MAX_OBJECT_BYTES}},
        "bytes; at most",
    ),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.db", quota_bytes=20_000_000)
    yield store
    store.close()


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_object_is_quarantined_and_reported_by_doctor(
    store: Store, unusable: tuple[Any, KubeObject, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, obj, reason = unusable
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    folder = StateDir(tmp_path).create().quarantine
    store.put(kind.qualified, obj, fields={}, expected=0)
    store.put(CONFIGMAPS.qualified, {"metadata": meta("healthy"), "data": {}}, fields={}, expected=0)
    assert quarantine.quarantine_unusable(store, folder) == 1
    assert quarantine.quarantine_unusable(store, folder) == 0
    assert store.entry(kind.qualified, ("default", "x")) is None
    assert store.entry(CONFIGMAPS.qualified, ("default", "healthy")) is not None
    (result,) = computer_checks.check_quarantine()
    assert f"{kind.qualified} default/x: " in result.message
    assert reason in result.message


def test_bytes_that_are_not_json_are_quarantined(store: Store, tmp_path: Path) -> None:
    store.put(PODS.qualified, {"metadata": meta("x")}, fields={}, expected=0)
    store._log._writer.execute("UPDATE log SET value = ?", (b'{"metadata": ',))
    assert quarantine.quarantine_unusable(store, tmp_path / "aside") == 1
    assert store.page(PODS.qualified).values == []


def test_objects_within_api_limits_stay(store: Store, tmp_path: Path) -> None:
    suspended = {"metadata": meta("x"), "spec": {"suspend": True, "trainer": {"numNodes": 2**31 - 1}}}
    store.put(TRAINJOBS.qualified, suspended, fields={}, expected=0)
    assert quarantine.quarantine_unusable(store, tmp_path / "aside") == 0


def test_store_beyond_its_quota_drops_newest_pods_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    store.put(CONFIGMAPS.qualified, {"metadata": meta("kept"), "data": {}}, fields={}, expected=0)
    for number in range(200):
        pod = {"metadata": meta(f"p{number}"), "spec": {"padding": "x" * 1_000}}
        store.put(PODS.qualified, pod, fields={}, expected=0)
    store.close()
    store = Store(tmp_path / "store.db", quota_bytes=100_000)
    assert store.live_bytes > store.quota_bytes
    quarantine.quarantine_unusable(store, tmp_path / "aside")
    assert store.live_bytes <= store.quota_bytes
    assert store.entry(CONFIGMAPS.qualified, ("default", "kept")) is not None
    assert store.entry(PODS.qualified, ("default", "p0")) is not None, "the newest go"
    assert list(quarantine.list_quarantined(tmp_path / "aside")) == []
    assert store.live_bytes == sum(len(v) for r in store.resources() for v in store.page(r).values)
    store.close()


def test_full_cluster_rejects_creates_but_allows_updates_and_deletes(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", quota_bytes=20_000)
    client = Client(ApiServer(store, version="0"))
    names: list[str] = []

    def fill() -> None:
        for number in range(100):
            body: KubeObject = {"metadata": {"name": f"c{number}"}, "data": {"a": "x" * 1_000}}
            client.create(CONFIGMAPS, body, namespace="default")
            names.append(f"c{number}")

    with pytest.raises(errors.Forbidden, match=r"exceeded quota: .* Delete finished jobs"):
        fill()
    assert len(names) > 5
    client.patch(CONFIGMAPS, names[0], {"data": {"a": "y"}}, namespace="default")
    client.delete(CONFIGMAPS, names[1], namespace="default")
    client.create(CONFIGMAPS, {"metadata": {"name": "again"}, "data": {}}, namespace="default")
    store.close()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StateDir]:
    state = StateDir(tmp_path / "state")
    monkeypatch.setenv(STATE_DIR_ENV, str(state.root))
    yield state
    launcher.stop(state)
    wait_for(lambda: not processes_of(state))


def start_bounded(state: StateDir) -> None:
    """Start the daemon with a bounded address space, which this process may itself exceed."""
    start = (
        "import resource, sys; from pathlib import Path; from jupyter_trainjob.cluster.daemon import launcher;"
        "from jupyter_trainjob.cluster.state.state_dir import StateDir;"
        f"resource.setrlimit(resource.RLIMIT_AS, ({DAEMON_BYTES}, {DAEMON_BYTES}));"
        f"launcher.ensure_daemon(StateDir(Path(sys.argv[1])), warm={NO_PYTHON!r}, notify=lambda _: None)"
    )
    subprocess.run([sys.executable, "-c", start, str(state.root)], check=True, timeout=patience(120))


def rss(state: StateDir) -> int:
    daemon = daemon_status.find_daemon(state)
    assert daemon is not None
    return int(psutil.Process(daemon.pid).memory_info().rss)


@pytest.mark.slow
def test_job_with_a_million_nodes_does_not_exhaust_memory_or_block_restart(state: StateDir) -> None:
    start_bounded(state)
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    runtime = {"name": "plain", "kind": "ClusterTrainingRuntime", "apiGroup": "trainer.kubeflow.org"}
    command = ["sleep", "3600"]
    for name, nodes, suspend in (("million", 10**6, False), ("suspended", 2**31 - 1, True)):
        trainer = {"numNodes": nodes, "command": command}
        body: KubeObject = {
            "metadata": {"name": name},
            "spec": {"runtimeRef": runtime, "suspend": suspend, "trainer": trainer},
        }
        client.create(TRAINJOBS, body, namespace="default")
    wait_for(lambda: len(client.list(JOBSETS, namespace="default").items) == 2)
    wait_for(lambda: events(client, "must be less than or equal to 100000"))
    assert client.list(PODS, namespace="default").items == []
    assert rss(state) < 600 << 20
    kill_daemon(state)
    start_bounded(state)
    assert {job["metadata"]["name"] for job in client.list(TRAINJOBS, namespace="default").items} == {
        "million",
        "suspended",
    }
    assert rss(state) < 600 << 20


def events(client: Client, text: str) -> bool:
    return any(text in str(event.get("message")) for event in client.list(EVENTS, namespace="default").items)


@pytest.mark.slow
def test_daemon_starts_with_a_store_of_unusable_objects(state: StateDir) -> None:
    store = Store(state.create().store)
    for number, (kind, obj, _) in enumerate(UNUSABLE.values()):
        named = {**obj, "metadata": {**obj["metadata"], **meta(f"x{number}")}}
        store.put(kind.qualified, named, fields={}, expected=0)
    store.close()
    start_bounded(state)
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    assert client.list(TRAINJOBS, namespace="default").items == []
    assert len(list(quarantine.list_quarantined(state.quarantine))) == len(UNUSABLE)
