"""The garbage collector on a real API server core."""

from __future__ import annotations

import pytest

from jupyter_trainjob.api.resources import (
    CONFIGMAPS,
    EVENTS,
    JOBS,
    NAMESPACES,
    PODS,
    SECRETS,
    Object,
    owner_reference,
)
from jupyter_trainjob.cluster import garbage

from .world import Start, World, job, until


def configmap(world: World, name: str, *owners: Object, blocks: bool = True) -> Object:
    references = [owner_reference(owner, controller=False) | {"blockOwnerDeletion": blocks} for owner in owners]
    metadata = {"name": name, "namespace": "default", "ownerReferences": references}
    return world.client.create(CONFIGMAPS, {"metadata": metadata})


def delete(world: World, name: str, propagation: str = "Background") -> None:
    world.client.delete(CONFIGMAPS, name, namespace="default", propagation=propagation)


def names(world: World) -> set[str]:
    return {each["metadata"]["name"] for each in world.client.list(CONFIGMAPS, namespace="default").items}


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
def test_what_is_owned_goes_with_its_owner(world: World, start: Start, propagation: str) -> None:
    start(garbage.controller)
    delete(world, "grandparent", propagation)
    until(lambda: names(world) == {"bystander"})


@pytest.mark.usefixtures("chain")
def test_what_lost_its_owner_before_the_collector_started_goes(world: World, start: Start) -> None:
    delete(world, "grandparent")
    start(garbage.controller)
    until(lambda: names(world) == {"bystander"})


@pytest.mark.usefixtures("chain")
def test_orphans_stay_without_an_owner(world: World, start: Start) -> None:
    start(garbage.controller)
    delete(world, "grandparent", "Orphan")
    until(lambda: names(world) == {"parent", "child", "bystander"})
    assert owners_of(world, "parent") == []
    assert owners_of(world, "child") == ["parent"]


def test_in_the_foreground_an_owner_goes_after_those_that_block_it(world: World, start: Start) -> None:
    owner = configmap(world, "owner")
    configmap(world, "free", owner, blocks=False)
    configmap(world, "blocking", owner)
    world.client.patch(CONFIGMAPS, "blocking", {"metadata": {"finalizers": ["acme.io/held"]}}, namespace="default")
    start(garbage.controller)
    delete(world, "owner", "Foreground")
    until(lambda: names(world) == {"owner", "blocking"})
    assert world.get(CONFIGMAPS, "blocking")["metadata"]["deletionTimestamp"]
    world.client.patch(CONFIGMAPS, "blocking", {"metadata": {"finalizers": []}}, namespace="default")
    until(lambda: names(world) == set())


def test_one_of_two_owners_that_goes_is_forgotten(world: World, start: Start) -> None:
    first, second = configmap(world, "first"), configmap(world, "second")
    configmap(world, "shared", first, second)
    start(garbage.controller)
    delete(world, "first")
    until(lambda: owners_of(world, "shared") == ["second"])
    delete(world, "second")
    until(lambda: names(world) == set())


def test_another_object_of_the_owners_name_is_no_owner(world: World, start: Start) -> None:
    former = configmap(world, "owner")
    delete(world, "owner")
    configmap(world, "owner")
    start(garbage.controller)
    configmap(world, "late", former)
    until(lambda: names(world) == {"owner"})


def test_an_owner_of_a_kind_that_is_not_served_counts_as_there(world: World, start: Start) -> None:
    unknown = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "uid": "somewhere"}}
    start(garbage.controller)
    configmap(world, "kept", unknown)
    lost = configmap(world, "owner")
    configmap(world, "lost", lost)
    delete(world, "owner")
    until(lambda: names(world) == {"kept"})


def test_pods_and_secrets_of_a_job_go_with_it(world: World, start: Start) -> None:
    start(garbage.controller)
    owner = world.client.create(JOBS, job("train"))
    for resource, extra in ((SECRETS, {}), (PODS, {"spec": {"containers": [{"name": "main", "image": "none"}]}})):
        metadata = {"name": "owned", "namespace": "default", "ownerReferences": [owner_reference(owner)]}
        world.client.create(resource, {"metadata": metadata, **extra})
    world.client.delete(JOBS, "train", namespace="default", propagation="Foreground")
    until(lambda: not any(world.exists(*each) for each in ((JOBS, "train"), (PODS, "owned"), (SECRETS, "owned"))))


def test_a_namespace_goes_with_everything_in_it(world: World, start: Start) -> None:
    world.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    held = {"name": "held", "namespace": "team", "finalizers": ["acme.io/held"]}
    world.client.create(CONFIGMAPS, {"metadata": held})
    world.client.create(SECRETS, {"metadata": {"name": "secret", "namespace": "team"}})
    event = {"metadata": {"name": "event", "namespace": "team"}, "involvedObject": {"namespace": "team"}}
    world.client.create(EVENTS, event)
    start(garbage.controller)
    world.client.delete(NAMESPACES, "team")
    until(lambda: not world.client.list(SECRETS, namespace="team").items)
    until(lambda: not world.client.list(EVENTS, namespace="team").items)
    assert world.client.get(NAMESPACES, "team")["status"]["phase"] == "Terminating"
    world.client.patch(CONFIGMAPS, "held", {"metadata": {"finalizers": []}}, namespace="team")
    until(lambda: world.client.find(NAMESPACES, "team") is None)
