"""Short jobs leave no process, thread, descriptor, port, file or object, and hardly any memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import PODS
from jupyter_trainjob.client import context
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.embedded import embedded_cluster
from tests.load.footprint import run_jobs, settled
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(240)
WARM_UP, JOBS, ROUNDS = 30, 30, 4


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    with embedded_cluster(tmp_path / "state") as state:
        launcher.ensure_daemon(state)
        yield state


def test_short_jobs_leave_nothing(state: StateDir) -> None:
    run_jobs(WARM_UP)
    before = settled(state)
    # Caches may still fill in one round; what leaks grows in all of them.
    grown = []
    for _ in range(ROUNDS):
        earlier = settled(state).memory
        assert run_jobs(JOBS) == {"right": JOBS}
        grown.append(settled(state).memory - earlier)
        if grown[-1] <= 4:
            break
    after = settled(state)
    assert (after.ports, after.files, after.objects) == (before.ports, before.files, before.objects)
    assert after.threads <= before.threads + 4, "HTTP connections of this test's threads may come and go"
    # A connection that nobody uses is closed after a while.
    wait_for(lambda: settled(state).descriptors <= before.descriptors + 8)
    assert grown[-1] <= 4, f"MiB by round of {JOBS} jobs: {grown}"


def test_concurrent_pods_all_succeed(state: StateDir) -> None:
    count = 40
    client = context.connect().client
    container = {"name": "node", "image": "none", "command": ["python", "-c", "import json"]}
    for number in range(count):
        pod = {"metadata": {"name": f"p{number}"}, "spec": {"restartPolicy": "Never", "containers": [container]}}
        client.create(PODS, pod, namespace="default")

    def phases() -> list[str]:
        return [(obj.get("status") or {}).get("phase", "") for obj in client.list(PODS).items]

    wait_for(lambda: set(phases()) <= {"Succeeded", "Failed"}, limit=150)
    assert phases() == ["Succeeded"] * count
    for number in range(count):
        client.delete(PODS, f"p{number}", namespace="default")
