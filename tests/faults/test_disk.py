"""A full disk while the cluster runs: refused writes, no lost data, and recovery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS
from jupyter_trainjob.client import context
from jupyter_trainjob.cluster.daemon import launcher
from tests.embedded import embedded_cluster, kill_daemon
from tests.faults.pods import WaitingPod
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(180)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Fill a disk."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    yield
    ballast.unlink()


def write_until_refused() -> tuple[int, errors.TrainJobError]:
    """Create config maps until one is refused; return how many were acknowledged, and the refusal."""
    client = context.connect().client
    for number in range(2000):
        config_map = {"metadata": {"name": f"c{number}"}, "data": {"x": "x" * 4096}}
        try:
            client.create(CONFIGMAPS, config_map, namespace="default")
        except errors.TrainJobError as error:
            return number, error
    raise AssertionError("the disk took everything")


def test_full_disk_loses_no_acknowledged_write_and_recovers(small_disk: Path, tmp_path: Path) -> None:
    with embedded_cluster(small_disk / "state") as state:
        launcher.ensure_daemon(state)
        client = context.connect().client
        pod = WaitingPod(state, tmp_path)
        with full(small_disk):
            acknowledged, refusal = write_until_refused()
            assert "could not store a change" in str(refusal)
            assert "Make room" in str(refusal)
            assert len(client.list(CONFIGMAPS, namespace="default").items) == acknowledged
            assert pod.lives
        client.create(CONFIGMAPS, {"metadata": {"name": "after"}}, namespace="default")
        kill_daemon(state)
        launcher.ensure_daemon(state)
        names = {item["metadata"]["name"] for item in context.connect().client.list(CONFIGMAPS).items}
        assert {f"c{number}" for number in range(acknowledged)} | {"after"} <= names
        pod.go()
        assert pod.ended()["exitCode"] == 5
        pod.delete()


def test_exit_on_a_full_disk_is_reported_when_there_is_space(small_disk: Path, tmp_path: Path) -> None:
    with embedded_cluster(small_disk / "state") as state:
        launcher.ensure_daemon(state)
        pod = WaitingPod(state, tmp_path)
        with full(small_disk):
            pod.go()
            wait_for(lambda: not pod.lives)
        assert pod.ended()["exitCode"] == 5
        pod.delete()
