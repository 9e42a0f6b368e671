"""The scheduler with the API server in process."""

from __future__ import annotations

from typing import Any

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.kinds.podgroups import LABEL
from jupyter_trainjob.api.resources import EVENTS, NODES, PODGROUPS, PODS, PRIORITYCLASSES, KubeObject
from jupyter_trainjob.cluster.scheduler import scheduler
from tests.unit.cluster.world import Start, World
from tests.waiting import wait_for


def requesting_pod(world: World, name: str, cpu: str, **spec: Any) -> KubeObject:
    resources = {"requests": {"cpu": cpu}}
    return world.pod(name, containers=[{"name": "main", "image": "none", "resources": resources}], **spec)


def node_of(world: World, name: str) -> str:
    return str(world.get(PODS, name)["spec"].get("nodeName", ""))


def pending_reason(world: World, name: str) -> tuple[str, str] | None:
    condition = conditions.get_condition(world.get(PODS, name), "PodScheduled")
    return None if condition is None else (condition.get("reason", ""), condition.get("message", ""))


def test_pod_is_bound(world: World, start: Start) -> None:
    world.node()
    world.pod("made-before")
    start(scheduler.controller)
    world.pod("made-after")
    wait_for(lambda: node_of(world, "made-before") == node_of(world, "made-after") == "this-computer")
    assert conditions.is_true(world.get(PODS, "made-after"), "PodScheduled")
    wait_for(lambda: "Successfully assigned default/made-after to this-computer" in world.events("Scheduled"))


def test_unschedulable_pod_has_a_reason_and_is_bound_when_resources_are_free(world: World, start: Start) -> None:
    message = "0/1 nodes are available: 1 Insufficient cpu."
    world.node()
    start(scheduler.controller)
    first = requesting_pod(world, "first", "6")
    wait_for(lambda: node_of(world, "first"))
    requesting_pod(world, "second", "6")
    assert wait_for(lambda: pending_reason(world, "second")) == ("Unschedulable", message)
    assert wait_for(lambda: world.events("FailedScheduling")) == [message]
    world.end(first, "Succeeded")
    wait_for(lambda: node_of(world, "second"))
    assert pending_reason(world, "second") == ("", "")


def test_deleted_pod_frees_resources(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    requesting_pod(world, "first", "8")
    wait_for(lambda: node_of(world, "first"))
    requesting_pod(world, "second", "8")
    wait_for(lambda: pending_reason(world, "second"))
    world.client.delete(PODS, "first", namespace="default", grace_seconds=0)
    wait_for(lambda: node_of(world, "second"))


def test_added_and_uncordoned_nodes_trigger_scheduling(world: World, start: Start) -> None:
    start(scheduler.controller)
    world.pod("waiting")
    assert wait_for(lambda: pending_reason(world, "waiting")) == (
        "Unschedulable",
        "no nodes available to schedule pods",
    )
    world.node()
    wait_for(lambda: node_of(world, "waiting"))
    world.client.patch(NODES, "this-computer", {"spec": {"unschedulable": True}})
    wait_for(lambda: world.client.get(NODES, "this-computer")["spec"].get("unschedulable"))
    world.pod("later")
    wait_for(lambda: pending_reason(world, "later"))
    world.client.patch(NODES, "this-computer", {"spec": {"unschedulable": None}})
    wait_for(lambda: node_of(world, "later"))


def test_pods_are_bound_in_creation_order(world: World, start: Start) -> None:
    start(scheduler.controller)
    names = [f"pod-{number}" for number in (5, 3, 8, 1)]
    for name in names:
        requesting_pod(world, name, "4")
    wait_for(lambda: all(pending_reason(world, name) for name in names))
    world.node()
    wait_for(lambda: sum(bool(node_of(world, name)) for name in names) == 2)
    assert [bool(node_of(world, name)) for name in names] == [True, True, False, False]


def test_priority_precedes_creation_order(world: World, start: Start) -> None:
    world.client.create(PRIORITYCLASSES, {"metadata": {"name": "urgent"}, "value": 10})
    requesting_pod(world, "first", "8")
    requesting_pod(world, "urgent", "8", priorityClassName="urgent")
    start(scheduler.controller)
    world.node()
    wait_for(lambda: node_of(world, "urgent"))
    assert not node_of(world, "first")


def test_gated_pods_and_pods_of_other_schedulers_are_not_bound(world: World, start: Start) -> None:
    world.node()
    world.pod("gated", schedulingGates=[{"name": "acme.io/gate"}])
    world.pod("theirs", schedulerName="acme")
    world.pod("ours")
    start(scheduler.controller)
    wait_for(lambda: node_of(world, "ours"))
    reason, message = wait_for(lambda: pending_reason(world, "gated"))
    assert (reason, message) == ("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
    assert not node_of(world, "theirs")


def test_node_is_not_overcommitted(world: World, start: Start) -> None:
    world.node(cpu="10")
    start(scheduler.controller)
    for number in range(30):
        requesting_pod(world, f"pod-{number}", "1")
    wait_for(lambda: sum(bool(pending_reason(world, f"pod-{number}")) for number in range(30)) == 30)
    assert sum(bool(node_of(world, f"pod-{number}")) for number in range(30)) == 10


def member(world: World, name: str, cpu: str) -> KubeObject:
    resources = {"requests": {"cpu": cpu}}
    metadata = {"name": name, "namespace": "default", "labels": {LABEL: "gang"}}
    spec = {"containers": [{"name": "main", "image": "none", "resources": resources}]}
    return world.client.create(PODS, {"metadata": metadata, "spec": spec})


def gang(world: World, **spec: Any) -> None:
    world.client.create(PODGROUPS, {"metadata": {"name": "gang", "namespace": "default"}, "spec": spec})


def test_gang_is_bound_when_all_of_it_fits(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    first = requesting_pod(world, "first", "4")
    wait_for(lambda: node_of(world, "first"))
    member(world, "one", "4")
    assert wait_for(lambda: pending_reason(world, "one")) == (
        "Unschedulable",
        "0/1 nodes are available: PodGroup not found.",
    )
    gang(world, minMember=2)
    wait_for(lambda: "cannot find enough sibling pods" in (pending_reason(world, "one") or ("", ""))[1])
    member(world, "two", "4")
    wait_for(lambda: "PodGroup default/gang gets rejected" in (pending_reason(world, "two") or ("", ""))[1])
    assert not node_of(world, "one")
    world.end(first, "Succeeded")
    wait_for(lambda: node_of(world, "one") and node_of(world, "two"))


def test_gang_backs_off_after_its_timeout(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    requesting_pod(world, "running", "2")
    wait_for(lambda: node_of(world, "running"))
    gang(world, minMember=2, scheduleTimeoutSeconds=2)
    member(world, "one", "4")
    member(world, "two", "4")
    wait_for(lambda: "Insufficient cpu" in (pending_reason(world, "two") or ("", ""))[1])
    requesting_pod(world, "small", "1")
    wait_for(lambda: "kept cpu for pods ahead in the queue" in (pending_reason(world, "small") or ("", ""))[1])
    wait_for(lambda: node_of(world, "small"))
    message = (
        "rejected due to timeout after waiting 2s at plugin Coscheduling; 0/1 nodes are available: 1 Insufficient cpu."
    )
    wait_for(lambda: (pending_reason(world, "one") or ("", ""))[1].startswith(message))
    assert not node_of(world, "one")


def test_untolerated_taint_is_reported_and_its_removal_observed(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    taint = {"key": "kept", "value": "yes", "effect": "NoSchedule"}
    world.client.patch(NODES, "this-computer", {"spec": {"taints": [taint]}})
    wait_for(lambda: world.client.get(NODES, "this-computer")["spec"].get("taints"))
    world.pod("tolerant", tolerations=[{"key": "kept", "operator": "Exists"}])
    wait_for(lambda: node_of(world, "tolerant"))
    world.pod("plain")
    message = "0/1 nodes are available: 1 node(s) had untolerated taint {kept: yes}."
    assert wait_for(lambda: pending_reason(world, "plain")) == ("Unschedulable", message)
    world.client.patch(NODES, "this-computer", {"spec": {"taints": None}})
    wait_for(lambda: node_of(world, "plain"))


def test_many_unschedulable_pods_do_not_delay_a_fitting_one(world: World, start: Start) -> None:
    world.node()
    for number in range(3 * scheduler.MAX_REPORTS_PER_CYCLE):
        requesting_pod(world, f"pod-{number}", "16")
    start(scheduler.controller)
    wait_for(lambda: pending_reason(world, "pod-0"))
    requesting_pod(world, "small", "1")
    wait_for(lambda: node_of(world, "small"))
    wait_for(
        lambda: all(pending_reason(world, f"pod-{number}") for number in range(3 * scheduler.MAX_REPORTS_PER_CYCLE))
    )


def test_events_of_the_scheduler(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    world.pod("fits")
    requesting_pod(world, "large", "16")
    wait_for(lambda: world.events("Scheduled") and world.events("FailedScheduling"))
    events = world.client.list(EVENTS, namespace="default").items
    fields = {(event["reason"], event["type"], event["action"], event["reportingComponent"]) for event in events}
    assert fields == {
        ("Scheduled", "Normal", "Binding", "default-scheduler"),
        ("FailedScheduling", "Warning", "Scheduling", "default-scheduler"),
    }


def test_pod_of_higher_priority_preempts(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    world.client.create(PRIORITYCLASSES, {"metadata": {"name": "urgent"}, "value": 10})
    requesting_pod(world, "low", "6")
    wait_for(lambda: node_of(world, "low"))
    requesting_pod(world, "high", "6", priorityClassName="urgent")
    wait_for(lambda: "deletionTimestamp" in world.get(PODS, "low")["metadata"])
    target = conditions.get_condition(world.get(PODS, "low"), "DisruptionTarget")
    assert target is not None
    assert (target["reason"], target["status"]) == ("PreemptionByScheduler", "True")
    uid = world.get(PODS, "high")["metadata"]["uid"]
    assert wait_for(lambda: world.events("Preempted")) == [f"Preempted by pod {uid} on node this-computer"]
    assert not node_of(world, "high"), "the preempted pod still runs"
    world.client.delete(PODS, "low", namespace="default", grace_seconds=0)
    wait_for(lambda: node_of(world, "high"))
