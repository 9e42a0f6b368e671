from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import CONFIGMAPS, JOBS, PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.controllers.retention import DAY, GIB, FinishedJob, Retention, choose_expired, disk_usage
from jupyter_trainjob.cluster.state.cluster_settings import Settings
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.history import History
from jupyter_trainjob.metrics.log_lines import PodLogLine

NOW = 1_000_000_000.0


def finished_job(uid: str, *, days: float, gib: float) -> FinishedJob:
    return FinishedJob(uid, NOW - days * DAY, int(gib * GIB))


@pytest.mark.parametrize(
    ("jobs", "in_use", "expected"),
    [
        pytest.param([finished_job("a", days=13, gib=1)], 0, [], id="two weeks are not over"),
        pytest.param([finished_job("a", days=15, gib=0)], 0, ["a"], id="after two weeks small jobs are deleted"),
        pytest.param(
            [
                finished_job("new", days=1, gib=6),
                finished_job("old", days=3, gib=6),
                finished_job("mid", days=2, gib=1),
            ],
            0,
            ["old"],
            id="above the limit the oldest are deleted until the rest fits",
        ),
        pytest.param(
            [
                finished_job("empty", days=9, gib=0),
                finished_job("old", days=3, gib=6),
                finished_job("new", days=1, gib=6),
            ],
            0,
            ["old"],
            id="a job without files is not deleted for space",
        ),
        pytest.param(
            [finished_job("a", days=1, gib=1)], 11 * GIB, ["a"], id="running jobs count, but only finished ones go"
        ),
    ],
)
def test_choose_expired(jobs: list[FinishedJob], in_use: int, expected: list[str]) -> None:
    assert choose_expired(jobs, Settings(), now=NOW, in_use=in_use) == expected


def test_zero_disables_a_limit() -> None:
    jobs = [finished_job("a", days=1000, gib=1000)]
    assert choose_expired(jobs, Settings(keep_days=0, keep_gib=0), now=NOW) == []


def test_disk_usage_ignores_symlink_targets(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "large").write_bytes(os.urandom(200_000))
    (tmp_path / "a" / "everything").symlink_to("/")
    assert 200_000 <= disk_usage(tmp_path) < 400_000
    assert disk_usage(tmp_path / "missing") == 0


def test_hard_linked_files_count_once(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    (tmp_path / "a/large").write_bytes(os.urandom(200_000))
    (tmp_path / "b/large").hardlink_to(tmp_path / "a/large")
    assert 200_000 <= disk_usage(tmp_path) < 400_000
    counted: set[tuple[int, int]] = set()
    assert disk_usage(tmp_path / "b", counted) >= 200_000 > disk_usage(tmp_path / "a", counted)


def test_old_jobs_are_deleted_with_their_history(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state").create()
    store = Store(state.store)
    client = Client(ApiServer(store, version="1"))
    history = History(state.history)
    container = {"name": "a", "image": "i", "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    for name, days in (("old", 20.0), ("young", 1.0), ("running", 20.0), ("stopped", 20.0)):
        spec = {"template": template, "suspend": name == "stopped"}
        client.create(JOBS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
        if name not in ("running", "stopped"):
            stamp = times.timestamp(time.time() - days * DAY)
            conditions = [
                {"type": kind, "status": "True", "lastTransitionTime": stamp}
                for kind in ("SuccessCriteriaMet", "Complete")
            ]
            status = {"conditions": conditions, "startTime": stamp, "completionTime": stamp, "succeeded": 1}
            client.patch(JOBS, name, {"status": status}, namespace="default", subresource="status")
    client.create(CONFIGMAPS, {"metadata": {"name": "mine"}}, namespace="default")
    history.add("elsewhere", "pod", 0, [PodLogLine("2026", 0, b"text")])
    retention = Retention(client, history, state, Settings())
    assert retention.delete_expired() == 1
    assert sorted(job["metadata"]["name"] for job in client.list(JOBS).items) == ["running", "stopped", "young"]
    assert client.find(CONFIGMAPS, "mine", namespace="default") is not None
    assert history.lines("elsewhere"), "recently read history of another cluster is kept"
    later = Retention(client, history, state, Settings(), clock=lambda: time.time() + 15 * DAY)
    later.delete_expired()
    remaining = sorted(job["metadata"]["name"] for job in client.list(JOBS).items)
    assert remaining == ["running", "stopped"], "a suspended job can be resumed"
    assert not history.lines("elsewhere")
    history.close()
    store.close()


def test_disk_usage_of_pods_counts_for_their_root_job(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state").create()
    store = Store(state.store)
    client = Client(ApiServer(store, version="1"))
    history = History(state.history)
    owner = None
    for resource, spec in (
        (JOBS, {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "i"}]}}}),
        (PODS, {"containers": [{"name": "a", "image": "i"}], "restartPolicy": "Never"}),
    ):
        metadata: KubeObject = {"name": "one"}
        if owner is not None:
            reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "one", "uid": owner, "controller": True}
            metadata["ownerReferences"] = [reference]
        created = client.create(resource, {"metadata": metadata, "spec": spec}, namespace="default")
        owner = owner or created["metadata"]["uid"]
        uid = created["metadata"]["uid"]
    log = state.agent / "pods" / uid / "log"
    log.parent.mkdir(parents=True)
    log.write_bytes(os.urandom(2 << 20))
    retention = Retention(client, history, state, Settings(keep_gib=1 / 1024))
    assert retention.delete_expired() == 0, "it is not finished"
    stamp = times.timestamp(time.time())
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": stamp} for kind in ("FailureTarget", "Failed")]
    client.patch(
        JOBS,
        "one",
        {"status": {"conditions": conditions, "startTime": stamp}},
        namespace="default",
        subresource="status",
    )
    assert retention.delete_expired() == 1
    assert client.list(TRAINJOBS).items == []
    history.close()
    store.close()


def test_folders_without_a_job_are_deleted_after_a_day(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state").create()
    store = Store(state.store)
    client = Client(ApiServer(store, version="1"))
    history = History(state.history)
    spec = {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}}
    client.create(TRAINJOBS, {"metadata": {"name": "waits"}, "spec": spec}, namespace="default")
    for name, days in (("gone", 2.0), ("waits", 2.0), ("comes", 0.0)):
        folder = state.jobs / "default" / name
        folder.mkdir(parents=True)
        (folder / "part-0").write_bytes(b"x")
        os.utime(folder, (time.time() - days * DAY,) * 2)
    for name, days in (("old", 2.0), ("new", 0.0)):
        draft = state.jobs / f".sending-{name}"
        draft.touch()
        os.utime(draft, (time.time() - days * DAY,) * 2)
    Retention(client, history, state, Settings()).delete_expired()
    assert [draft.name for draft in state.jobs.glob(".*")] == [".sending-new"]
    assert sorted(folder.name for folder in (state.jobs / "default").iterdir()) == ["comes", "waits"]
    history.close()
    store.close()
