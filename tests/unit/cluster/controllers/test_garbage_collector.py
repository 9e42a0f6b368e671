"""The garbage collector with the API server in process."""

from __future__ import annotations

import pytest

from jupyter_trainjob.api.resources import (
    CONFIGMAPS,
    EVENTS,
    JOBS,
    NAMESPACES,
    PODS,
    SECRETS,
    KubeObject,
    owner_reference,
)
from jupyter_trainjob.cluster.controllers import garbage_collector
from tests.unit.cluster.world import Start, World, job
from tests.waiting import wait_for


def configmap(world: World, name: str, *owners: KubeObject, blocks: bool = True) -> KubeObject:
    references = [owner_reference(owner, controller=False) | {"blockOwnerDeletion": blocks} for owner in owners]
    metadata = {"name": name, "namespace": "default", "ownerReferences": references}
    return world.client.create(CONFIGMAPS, {"metadata": metadata})


def delete(world: World, name: str, propagation: str = "Background") -> None:
    world.client.delete(CONFIGMAPS, name, namespace="default", propagation=propagation)


def names(world: World) -> set[str]:
    return {obj["metadata"]["name"] for obj in world.client.list(CONFIGMAPS, namespace="default").items}


def owners_of(world: World, name: str) -> list[str]:
    references = world.get(CONFIGMAPS, name)["metadata"].get("ownerReferences") or []
    return [reference["name"] for reference in references]


@pytest.fixture
def chain(world: World) -> None:
    """Grandparent owns parent owns child; a bystander owns nothing."""
    grandparent = configmap(world, "grandparent")
    configmap(world, "child", configmap(world, "parent", grandparent))
    configmap(world, "bystander")


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_dependents_are_deleted_with_their_owner(world: World, start: Start, propagation: str) -> None:
    start(garbage_collector.controller)
    delete(world, "grandparent", propagation)
    wait_for(lambda: names(world) == {"bystander"})


@pytest.mark.usefixtures("chain")
def test_dependents_of_an_owner_deleted_before_start_are_deleted(world: World, start: Start) -> None:
    delete(world, "grandparent")
    start(garbage_collector.controller)
    wait_for(lambda: names(world) == {"bystander"})


@pytest.mark.usefixtures("chain")
def test_orphaned_dependents_stay_without_owner_references(world: World, start: Start) -> None:
    start(garbage_collector.controller)
    delete(world, "grandparent", "Orphan")
    wait_for(lambda: names(world) == {"parent", "child", "bystander"})
    assert owners_of(world, "parent") == []
    assert owners_of(world, "child") == ["parent"]


def test_foreground_deletion_waits_for_blocking_dependents(world: World, start: Start) -> None:
    owner = configmap(world, "owner")
    configmap(world, "free", owner, blocks=False)
    configmap(world, "blocking", owner)
    world.client.patch(CONFIGMAPS, "blocking", {"metadata": {"finalizers": ["acme.io/held"]}}, namespace="default")
    start(garbage_collector.controller)
    delete(world, "owner", "Foreground")
    wait_for(lambda: names(world) == {"owner", "blocking"})
    assert world.get(CONFIGMAPS, "blocking")["metadata"]["deletionTimestamp"]
    world.client.patch(CONFIGMAPS, "blocking", {"metadata": {"finalizers": []}}, namespace="default")
    wait_for(lambda: names(world) == set())


def test_reference_to_one_of_two_owners_is_removed(world: World, start: Start) -> None:
    first, second = configmap(world, "first"), configmap(world, "second")
    configmap(world, "shared", first, second)
    start(garbage_collector.controller)
    delete(world, "first")
    wait_for(lambda: owners_of(world, "shared") == ["second"])
    delete(world, "second")
    wait_for(lambda: names(world) == set())


def test_recreated_owner_does_not_keep_dependents(world: World, start: Start) -> None:
    former = configmap(world, "owner")
    delete(world, "owner")
    configmap(world, "owner")
    start(garbage_collector.controller)
    configmap(world, "late", former)
    wait_for(lambda: names(world) == {"owner"})


def test_owner_of_an_unknown_kind_counts_as_existing(world: World, start: Start) -> None:
    unknown = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "uid": "somewhere"}}
    start(garbage_collector.controller)
    configmap(world, "kept", unknown)
    lost = configmap(world, "owner")
    configmap(world, "lost", lost)
    delete(world, "owner")
    wait_for(lambda: names(world) == {"kept"})


def test_pods_and_secrets_of_a_job_are_deleted_with_it(world: World, start: Start) -> None:
    start(garbage_collector.controller)
    owner = world.client.create(JOBS, job("train"))
    for resource, extra in ((SECRETS, {}), (PODS, {"spec": {"containers": [{"name": "main", "image": "none"}]}})):
        metadata = {"name": "owned", "namespace": "default", "ownerReferences": [owner_reference(owner)]}
        world.client.create(resource, {"metadata": metadata, **extra})
    world.client.delete(JOBS, "train", namespace="default", propagation="Foreground")
    wait_for(lambda: not any(world.exists(*key) for key in ((JOBS, "train"), (PODS, "owned"), (SECRETS, "owned"))))


def test_namespace_is_deleted_with_its_contents(world: World, start: Start) -> None:
    world.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    held = {"name": "held", "namespace": "team", "finalizers": ["acme.io/held"]}
    world.client.create(CONFIGMAPS, {"metadata": held})
    world.client.create(SECRETS, {"metadata": {"name": "secret", "namespace": "team"}})
    event = {"metadata": {"name": "event", "namespace": "team"}, "involvedObject": {"namespace": "team"}}
    world.client.create(EVENTS, event)
    start(garbage_collector.controller)
    world.client.delete(NAMESPACES, "team")
    wait_for(lambda: not world.client.list(SECRETS, namespace="team").items)
    wait_for(lambda: not world.client.list(EVENTS, namespace="team").items)
    assert world.client.get(NAMESPACES, "team")["status"]["phase"] == "Terminating"
    world.client.patch(CONFIGMAPS, "held", {"metadata": {"finalizers": []}}, namespace="team")
    wait_for(lambda: world.client.find(NAMESPACES, "team") is None)
