from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import CONFIGMAPS, JOBS, PODS, TRAINJOBS, Object
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.retention import DAY, GIB, Kept, Retention, choose, size_of
from jupyter_trainjob.cluster.settings import Settings
from jupyter_trainjob.cluster.state import StateDir
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.history import History
from jupyter_trainjob.metrics.loglines import Line

NOW = 1_000_000_000.0


def kept(uid: str, *, days: float, gib: float) -> Kept:
    return Kept(uid, NOW - days * DAY, int(gib * GIB))


@pytest.mark.parametrize(
    ("jobs", "in_use", "expected"),
    [
        pytest.param([kept("a", days=13, gib=1)], 0, [], id="two weeks are not over"),
        pytest.param([kept("a", days=15, gib=0)], 0, ["a"], id="after two weeks even a small one goes"),
        pytest.param(
            [kept("new", days=1, gib=6), kept("old", days=3, gib=6), kept("mid", days=2, gib=1)],
            0,
            ["old"],
            id="too much: the oldest goes, until the rest fits",
        ),
        pytest.param(
            [kept("empty", days=9, gib=0), kept("old", days=3, gib=6), kept("new", days=1, gib=6)],
            0,
            ["old"],
            id="what takes no space frees none",
        ),
        pytest.param([kept("a", days=1, gib=1)], 11 * GIB, ["a"], id="running jobs count, but only finished ones go"),
    ],
)
def test_what_goes(jobs: list[Kept], in_use: int, expected: list[str]) -> None:
    assert choose(jobs, Settings(), now=NOW, in_use=in_use) == expected


def test_zero_lifts_a_limit() -> None:
    jobs = [kept("a", days=1000, gib=1000)]
    assert choose(jobs, Settings(keep_days=0, keep_gib=0), now=NOW) == []


def test_a_folder_is_measured_by_the_disk_it_takes(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "large").write_bytes(os.urandom(200_000))
    (tmp_path / "a" / "everything").symlink_to("/")
    assert 200_000 <= size_of(tmp_path) < 400_000
    assert size_of(tmp_path / "missing") == 0


def test_what_two_folders_share_counts_once(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    (tmp_path / "a/large").write_bytes(os.urandom(200_000))
    (tmp_path / "b/large").hardlink_to(tmp_path / "a/large")
    assert 200_000 <= size_of(tmp_path) < 400_000
    counted: set[tuple[int, int]] = set()
    assert size_of(tmp_path / "b", counted) >= 200_000 > size_of(tmp_path / "a", counted)


def test_old_jobs_go_with_their_history_and_others_stay(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state").create()
    store = Store(state.store)
    client = Client(Core(store, version="1"))
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
    history.add("elsewhere", "pod", 0, [Line("2026", 0, b"text")])
    sweep = Retention(client, history, state, Settings())
    assert sweep.sweep() == 1
    assert sorted(job["metadata"]["name"] for job in client.list(JOBS).items) == ["running", "stopped", "young"]
    assert client.find(CONFIGMAPS, "mine", namespace="default") is not None
    assert history.lines("elsewhere"), "what was read lately on another cluster is kept"
    later = Retention(client, history, state, Settings(), clock=lambda: time.time() + 15 * DAY)
    later.sweep()
    left = sorted(job["metadata"]["name"] for job in client.list(JOBS).items)
    assert left == ["running", "stopped"], "a stopped job can be resumed, however long it waits"
    assert not history.lines("elsewhere")
    history.close()
    store.close()


def test_pods_count_for_the_job_at_the_top(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state").create()
    store = Store(state.store)
    client = Client(Core(store, version="1"))
    history = History(state.history)
    owner = None
    for resource, spec in (
        (JOBS, {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "i"}]}}}),
        (PODS, {"containers": [{"name": "a", "image": "i"}], "restartPolicy": "Never"}),
    ):
        metadata: Object = {"name": "one"}
        if owner is not None:
            reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "one", "uid": owner, "controller": True}
            metadata["ownerReferences"] = [reference]
        made = client.create(resource, {"metadata": metadata, "spec": spec}, namespace="default")
        owner = owner or made["metadata"]["uid"]
        uid = made["metadata"]["uid"]
    log = state.agent / "pods" / uid / "log"
    log.parent.mkdir(parents=True)
    log.write_bytes(os.urandom(2 << 20))
    sweep = Retention(client, history, state, Settings(keep_gib=1 / 1024))
    assert sweep.sweep() == 0, "it is not finished"
    stamp = times.timestamp(time.time())
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": stamp} for kind in ("FailureTarget", "Failed")]
    client.patch(
        JOBS,
        "one",
        {"status": {"conditions": conditions, "startTime": stamp}},
        namespace="default",
        subresource="status",
    )
    assert sweep.sweep() == 1
    assert client.list(TRAINJOBS).items == []
    history.close()
    store.close()


def test_folders_whose_job_is_gone_or_never_came_go_after_a_day(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state").create()
    store = Store(state.store)
    client = Client(Core(store, version="1"))
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
    Retention(client, history, state, Settings()).sweep()
    assert [draft.name for draft in state.jobs.glob(".*")] == [".sending-new"]
    assert sorted(folder.name for folder in (state.jobs / "default").iterdir()) == ["comes", "waits"]
    history.close()
    store.close()
