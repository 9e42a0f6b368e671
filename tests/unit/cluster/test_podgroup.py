"""What a PodGroup's status says of its pods."""

from __future__ import annotations

import pytest

from jupyter_trainjob.api.podgroups import LABEL
from jupyter_trainjob.api.resources import PODGROUPS, PODS
from jupyter_trainjob.cluster import podgroup

from .pods import group, pod
from .world import Start, World, until


@pytest.mark.parametrize(
    ("phases", "phase"),
    [
        pytest.param([], "Pending", id="no pod was made"),
        pytest.param(["Pending"], "Pending", id="not all pods were made"),
        pytest.param(["Pending", "Pending"], "Scheduling", id="they wait for nodes"),
        pytest.param(["Running", "Pending"], "Scheduling", id="not all run"),
        pytest.param(["Running", "Running"], "Running", id="all run"),
        pytest.param(["Running", "Succeeded"], "Running", id="one is done"),
        pytest.param(["Succeeded", "Succeeded"], "Finished", id="all are done"),
        pytest.param(["Failed", "Running"], "Failed", id="one has failed"),
        pytest.param(["Failed", "Pending"], "Scheduling", id="one has failed before the others ran"),
        pytest.param(["Failed", "Succeeded", "Succeeded"], "Finished", id="it was made again"),
    ],
)
def test_the_phase_of_a_group(phases: list[str], phase: str) -> None:
    pods = [pod(f"{index}", phase=each) for index, each in enumerate(phases)]
    assert podgroup.decide(group(least=2), pods)["phase"] == phase


def test_a_group_that_has_ended_stays_so() -> None:
    ended = {**group(), "status": {"phase": "Finished", "succeeded": 2}}
    assert podgroup.decide(ended, []) == {"phase": "Finished", "succeeded": 2}


def test_numbers_are_written_from_when_there_are_any() -> None:
    status = podgroup.decide(group(), [pod("0", phase="Running")])
    assert status == {"phase": "Pending", "running": 1}
    assert podgroup.decide({**group(), "status": status}, []) == {"phase": "Pending", "running": 0}


def test_the_status_follows_the_pods(world: World, start: Start) -> None:
    metadata = {"name": "g", "namespace": "default"}
    world.client.create(PODGROUPS, {"metadata": metadata, "spec": {"minMember": 1}})
    start(podgroup.controller)
    until(lambda: world.get(PODGROUPS, "g").get("status") == {"phase": "Pending"})
    spec = {"containers": [{"name": "main", "image": "none"}]}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u"}
    made = world.client.create(
        PODS,
        {
            "metadata": {"name": "p", "namespace": "default", "labels": {LABEL: "g"}, "ownerReferences": [owner]},
            "spec": spec,
        },
    )
    until(lambda: world.get(PODGROUPS, "g")["status"] == {"phase": "Scheduling", "occupiedBy": "default/j"})
    world.end(made, "Succeeded")
    until(lambda: world.get(PODGROUPS, "g")["status"]["phase"] == "Finished")
    assert world.get(PODGROUPS, "g")["status"]["succeeded"] == 1
