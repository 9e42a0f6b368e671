"""Binding of claims, and the life of their folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_trainjob.api.kinds.claims import PROTECTION
from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS, KubeObject
from jupyter_trainjob.cluster.controllers import claim_binder
from tests.unit.cluster.world import Start, World
from tests.waiting import wait_for

VOLUMES = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]


def claim(world: World) -> KubeObject:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return world.client.create(
        PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "data"}, "spec": spec}, namespace="default"
    )


def find_claim(world: World) -> KubeObject | None:
    return world.client.find(PERSISTENTVOLUMECLAIMS, "data", namespace="default")


def volume(root: Path, created: KubeObject) -> Path:
    """Create the folder of a claim with a file in it, as the agent does."""
    folder = root / "default" / str(created["metadata"]["uid"])
    folder.mkdir(parents=True)
    (folder / "weights").write_text("1")
    return folder


@pytest.fixture
def bind(start: Start, tmp_path: Path) -> None:
    """Run the controller."""

    start(lambda client, informers: claim_binder.controller(client, informers, tmp_path))


@pytest.mark.usefixtures("bind")
def test_claim_is_bound_to_a_volume_of_its_size(world: World) -> None:
    created = claim(world)
    assert created["metadata"]["finalizers"] == [PROTECTION]
    wait_for(lambda: world.get(PERSISTENTVOLUMECLAIMS, "data")["status"]["phase"] == "Bound")
    bound = world.get(PERSISTENTVOLUMECLAIMS, "data")
    assert bound["spec"]["volumeName"] == f"pvc-{created['metadata']['uid']}"
    assert bound["status"]["capacity"] == {"storage": "1Gi"}
    assert bound["status"]["accessModes"] == ["ReadWriteOnce"]


@pytest.mark.usefixtures("bind")
def test_unused_claim_is_deleted_with_its_folder(world: World, tmp_path: Path) -> None:
    folder = volume(tmp_path, claim(world))
    world.client.delete(PERSISTENTVOLUMECLAIMS, "data", namespace="default")
    wait_for(lambda: find_claim(world) is None)
    assert not folder.exists()


@pytest.mark.usefixtures("bind")
def test_claim_in_use_stays_until_its_last_pod_has_terminated(world: World, tmp_path: Path) -> None:
    folder = volume(tmp_path, claim(world))
    pod = world.pod("user", volumes=VOLUMES, nodeName="this-computer")
    world.client.delete(PERSISTENTVOLUMECLAIMS, "data", namespace="default")
    wait_for(lambda: "deletionTimestamp" in world.get(PERSISTENTVOLUMECLAIMS, "data")["metadata"])
    world.pod("waits", volumes=VOLUMES)
    assert (folder / "weights").exists()
    world.end(pod, "Succeeded")
    wait_for(lambda: find_claim(world) is None)
    assert not folder.exists()


def test_folders_of_claims_deleted_without_finalizer_are_removed(world: World, tmp_path: Path, start: Start) -> None:
    folder = volume(tmp_path, claim(world))
    start(lambda client, informers: claim_binder.controller(client, informers, tmp_path))
    world.client.patch(PERSISTENTVOLUMECLAIMS, "data", {"metadata": {"finalizers": None}}, namespace="default")
    world.client.delete(PERSISTENTVOLUMECLAIMS, "data", namespace="default")
    wait_for(lambda: not folder.exists())


PHASES = {
    "a pod that runs": ({"nodeName": "n"}, "Running", True),
    "a pod that is about to run": ({"nodeName": "n"}, "Pending", True),
    "a pod that waits for a node": ({}, "Pending", False),
    "a pod that has failed": ({"nodeName": "n"}, "Failed", False),
}


@pytest.mark.parametrize(("spec", "phase", "expected"), PHASES.values(), ids=list(PHASES))
def test_is_using(spec: KubeObject, phase: str, expected: bool) -> None:
    assert claim_binder.is_using({"spec": spec, "status": {"phase": phase}}) is expected
