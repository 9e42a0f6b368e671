"""The status of PodGroups."""

from __future__ import annotations

import pytest

from jupyter_trainjob.api.kinds.podgroups import LABEL
from jupyter_trainjob.api.resources import PODGROUPS, PODS
from jupyter_trainjob.cluster.scheduler import podgroup_status
from tests.unit.cluster.pods import group, pod
from tests.unit.cluster.world import Start, World
from tests.waiting import wait_for


@pytest.mark.parametrize(
    ("phases", "phase"),
    [
        pytest.param([], "Pending", id="no pod was created"),
        pytest.param(["Pending"], "Pending", id="not all pods were created"),
        pytest.param(["Pending", "Pending"], "Scheduling", id="they wait for nodes"),
        pytest.param(["Running", "Pending"], "Scheduling", id="not all run"),
        pytest.param(["Running", "Running"], "Running", id="all run"),
        pytest.param(["Running", "Succeeded"], "Running", id="one is done"),
        pytest.param(["Succeeded", "Succeeded"], "Finished", id="all are done"),
        pytest.param(["Failed", "Running"], "Failed", id="one has failed"),
        pytest.param(["Failed", "Pending"], "Scheduling", id="one has failed before the others ran"),
        pytest.param(["Failed", "Succeeded", "Succeeded"], "Finished", id="it was created again"),
    ],
)
def test_phase_of_a_group(phases: list[str], phase: str) -> None:
    pods = [pod(f"{index}", phase=pod_phase) for index, pod_phase in enumerate(phases)]
    assert podgroup_status.decide_status(group(least=2), pods)["phase"] == phase


def test_final_phase_does_not_change() -> None:
    ended = {**group(), "status": {"phase": "Finished", "succeeded": 2}}
    assert podgroup_status.decide_status(ended, []) == {"phase": "Finished", "succeeded": 2}


def test_zero_counts_are_written_only_after_nonzero_ones() -> None:
    status = podgroup_status.decide_status(group(), [pod("0", phase="Running")])
    assert status == {"phase": "Pending", "running": 1}
    assert podgroup_status.decide_status({**group(), "status": status}, []) == {"phase": "Pending", "running": 0}


def test_status_follows_the_pods(world: World, start: Start) -> None:
    metadata = {"name": "g", "namespace": "default"}
    world.client.create(PODGROUPS, {"metadata": metadata, "spec": {"minMember": 1}})
    start(podgroup_status.controller)
    wait_for(lambda: world.get(PODGROUPS, "g").get("status") == {"phase": "Pending"})
    spec = {"containers": [{"name": "main", "image": "none"}]}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u"}
    created = world.client.create(
        PODS,
        {
            "metadata": {"name": "p", "namespace": "default", "labels": {LABEL: "g"}, "ownerReferences": [owner]},
            "spec": spec,
        },
    )
    wait_for(lambda: world.get(PODGROUPS, "g")["status"] == {"phase": "Scheduling", "occupiedBy": "default/j"})
    world.end(created, "Succeeded")
    wait_for(lambda: world.get(PODGROUPS, "g")["status"]["phase"] == "Finished")
    assert world.get(PODGROUPS, "g")["status"]["succeeded"] == 1
