"""Claims are bound at once, and their folders outlive pods, but not the claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_trainjob.api.claims import PROTECTION
from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS, Object
from jupyter_trainjob.cluster import claims

from .world import Start, World, until

VOLUMES = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]


def claim(world: World) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return world.client.create(
        PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "data"}, "spec": spec}, namespace="default"
    )


def find(world: World) -> Object | None:
    return world.client.find(PERSISTENTVOLUMECLAIMS, "data", namespace="default")


def volume(root: Path, made: Object) -> Path:
    """Return the claim's folder with something in it, as the agent makes it."""
    folder = root / "default" / str(made["metadata"]["uid"])
    folder.mkdir(parents=True)
    (folder / "weights").write_text("1")
    return folder


@pytest.fixture
def bind(start: Start, tmp_path: Path) -> None:
    """Run the controller."""

    start(lambda client, informers: claims.controller(client, informers, tmp_path))


@pytest.mark.usefixtures("bind")
def test_a_claim_is_bound_to_a_volume_of_its_size(world: World) -> None:
    made = claim(world)
    assert made["metadata"]["finalizers"] == [PROTECTION]
    until(lambda: world.get(PERSISTENTVOLUMECLAIMS, "data")["status"]["phase"] == "Bound")
    bound = world.get(PERSISTENTVOLUMECLAIMS, "data")
    assert bound["spec"]["volumeName"] == f"pvc-{made['metadata']['uid']}"
    assert bound["status"]["capacity"] == {"storage": "1Gi"}
    assert bound["status"]["accessModes"] == ["ReadWriteOnce"]


@pytest.mark.usefixtures("bind")
def test_a_claim_that_nobody_uses_goes_with_its_folder(world: World, tmp_path: Path) -> None:
    folder = volume(tmp_path, claim(world))
    world.client.delete(PERSISTENTVOLUMECLAIMS, "data", namespace="default")
    until(lambda: find(world) is None)
    assert not folder.exists()


@pytest.mark.usefixtures("bind")
def test_a_claim_stays_until_the_last_pod_that_uses_it_has_ended(world: World, tmp_path: Path) -> None:
    folder = volume(tmp_path, claim(world))
    pod = world.pod("user", volumes=VOLUMES, nodeName="this-computer")
    world.client.delete(PERSISTENTVOLUMECLAIMS, "data", namespace="default")
    until(lambda: "deletionTimestamp" in world.get(PERSISTENTVOLUMECLAIMS, "data")["metadata"])
    world.pod("waits", volumes=VOLUMES)
    assert (folder / "weights").exists()
    world.end(pod, "Succeeded")
    until(lambda: find(world) is None)
    assert not folder.exists()


def test_folders_of_claims_that_lost_their_finalizer_are_swept(world: World, tmp_path: Path, start: Start) -> None:
    folder = volume(tmp_path, claim(world))
    start(lambda client, informers: claims.controller(client, informers, tmp_path))
    world.client.patch(PERSISTENTVOLUMECLAIMS, "data", {"metadata": {"finalizers": None}}, namespace="default")
    world.client.delete(PERSISTENTVOLUMECLAIMS, "data", namespace="default")
    until(lambda: not folder.exists())


USERS = {
    "a pod that runs": ({"nodeName": "n"}, "Running", True),
    "a pod that is about to run": ({"nodeName": "n"}, "Pending", True),
    "a pod that waits for a node": ({}, "Pending", False),
    "a pod that has failed": ({"nodeName": "n"}, "Failed", False),
}


@pytest.mark.parametrize(("spec", "phase", "wanted"), USERS.values(), ids=list(USERS))
def test_who_uses_a_claim(spec: Object, phase: str, wanted: bool) -> None:
    assert claims.is_using({"spec": spec, "status": {"phase": phase}}) is wanted
