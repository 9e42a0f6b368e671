"""The scheduler on a real API server core."""

from __future__ import annotations

from typing import Any

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.podgroups import LABEL
from jupyter_trainjob.api.resources import EVENTS, NODES, PODGROUPS, PODS, PRIORITYCLASSES, Object
from jupyter_trainjob.cluster import scheduler

from .world import Start, World, until


def asking(world: World, name: str, cpu: str, **spec: Any) -> Object:
    resources = {"requests": {"cpu": cpu}}
    return world.pod(name, containers=[{"name": "main", "image": "none", "resources": resources}], **spec)


def node_of(world: World, name: str) -> str:
    return str(world.get(PODS, name)["spec"].get("nodeName", ""))


def why_waiting(world: World, name: str) -> tuple[str, str] | None:
    condition = conditions.get(world.get(PODS, name), "PodScheduled")
    return None if condition is None else (condition.get("reason", ""), condition.get("message", ""))


def test_a_pod_gets_a_node(world: World, start: Start) -> None:
    world.node()
    world.pod("made-before")
    start(scheduler.controller)
    world.pod("made-after")
    until(lambda: node_of(world, "made-before") == node_of(world, "made-after") == "this-computer")
    assert conditions.is_true(world.get(PODS, "made-after"), "PodScheduled")
    until(lambda: "Successfully assigned default/made-after to this-computer" in world.events("Scheduled"))


def test_a_pod_that_does_not_fit_is_told_why_and_gets_a_node_as_soon_as_there_is_room(
    world: World, start: Start
) -> None:
    message = "0/1 nodes are available: 1 Insufficient cpu."
    world.node()
    start(scheduler.controller)
    first = asking(world, "first", "6")
    until(lambda: node_of(world, "first"))
    asking(world, "second", "6")
    assert until(lambda: why_waiting(world, "second")) == ("Unschedulable", message)
    assert until(lambda: world.events("FailedScheduling")) == [message]
    world.end(first, "Succeeded")
    until(lambda: node_of(world, "second"))
    assert why_waiting(world, "second") == ("", "")


def test_a_pod_that_is_deleted_makes_room(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    asking(world, "first", "8")
    until(lambda: node_of(world, "first"))
    asking(world, "second", "8")
    until(lambda: why_waiting(world, "second"))
    world.client.delete(PODS, "first", namespace="default", grace_seconds=0)
    until(lambda: node_of(world, "second"))


def test_a_node_that_comes_or_returns_makes_room(world: World, start: Start) -> None:
    start(scheduler.controller)
    world.pod("waiting")
    assert until(lambda: why_waiting(world, "waiting")) == ("Unschedulable", "no nodes available to schedule pods")
    world.node()
    until(lambda: node_of(world, "waiting"))
    world.client.patch(NODES, "this-computer", {"spec": {"unschedulable": True}})
    until(lambda: world.client.get(NODES, "this-computer")["spec"].get("unschedulable"))
    world.pod("later")
    until(lambda: why_waiting(world, "later"))
    world.client.patch(NODES, "this-computer", {"spec": {"unschedulable": None}})
    until(lambda: node_of(world, "later"))


def test_pods_are_served_in_the_order_in_which_they_came(world: World, start: Start) -> None:
    start(scheduler.controller)
    names = [f"pod-{number}" for number in (5, 3, 8, 1)]
    for name in names:
        asking(world, name, "4")
    until(lambda: all(why_waiting(world, name) for name in names))
    world.node()
    until(lambda: sum(bool(node_of(world, name)) for name in names) == 2)
    assert [bool(node_of(world, name)) for name in names] == [True, True, False, False]


def test_priority_comes_before_order(world: World, start: Start) -> None:
    world.client.create(PRIORITYCLASSES, {"metadata": {"name": "urgent"}, "value": 10})
    asking(world, "first", "8")
    asking(world, "urgent", "8", priorityClassName="urgent")
    start(scheduler.controller)
    world.node()
    until(lambda: node_of(world, "urgent"))
    assert not node_of(world, "first")


def test_a_gated_pod_and_a_pod_of_another_scheduler_wait(world: World, start: Start) -> None:
    world.node()
    world.pod("gated", schedulingGates=[{"name": "acme.io/gate"}])
    world.pod("theirs", schedulerName="acme")
    world.pod("ours")
    start(scheduler.controller)
    until(lambda: node_of(world, "ours"))
    reason, message = until(lambda: why_waiting(world, "gated"))
    assert (reason, message) == ("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
    assert not node_of(world, "theirs")


def test_a_node_is_never_given_out_twice(world: World, start: Start) -> None:
    world.node(cpu="10")
    start(scheduler.controller)
    for number in range(30):
        asking(world, f"pod-{number}", "1")
    until(lambda: sum(bool(why_waiting(world, f"pod-{number}")) for number in range(30)) == 30)
    assert sum(bool(node_of(world, f"pod-{number}")) for number in range(30)) == 10


def member(world: World, name: str, cpu: str) -> Object:
    resources = {"requests": {"cpu": cpu}}
    metadata = {"name": name, "namespace": "default", "labels": {LABEL: "gang"}}
    spec = {"containers": [{"name": "main", "image": "none", "resources": resources}]}
    return world.client.create(PODS, {"metadata": metadata, "spec": spec})


def gang(world: World, **spec: Any) -> None:
    world.client.create(PODGROUPS, {"metadata": {"name": "gang", "namespace": "default"}, "spec": spec})


def test_a_gang_starts_when_all_of_it_fits(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    first = asking(world, "first", "4")
    until(lambda: node_of(world, "first"))
    member(world, "one", "4")
    assert until(lambda: why_waiting(world, "one")) == ("Unschedulable", "0/1 nodes are available: PodGroup not found.")
    gang(world, minMember=2)
    until(lambda: "cannot find enough sibling pods" in (why_waiting(world, "one") or ("", ""))[1])
    member(world, "two", "4")
    until(lambda: "PodGroup default/gang gets rejected" in (why_waiting(world, "two") or ("", ""))[1])
    assert not node_of(world, "one")
    world.end(first, "Succeeded")
    until(lambda: node_of(world, "one") and node_of(world, "two"))


def test_a_gang_that_waits_longer_than_its_timeout_lets_others_pass_and_says_so(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    asking(world, "running", "2")
    until(lambda: node_of(world, "running"))
    gang(world, minMember=2, scheduleTimeoutSeconds=2)
    member(world, "one", "4")
    member(world, "two", "4")
    until(lambda: "Insufficient cpu" in (why_waiting(world, "two") or ("", ""))[1])
    asking(world, "small", "1")
    until(lambda: "kept cpu for pods ahead in the queue" in (why_waiting(world, "small") or ("", ""))[1])
    until(lambda: node_of(world, "small"))
    said = (
        "rejected due to timeout after waiting 2s at plugin Coscheduling; 0/1 nodes are available: 1 Insufficient cpu."
    )
    until(lambda: (why_waiting(world, "one") or ("", ""))[1].startswith(said))
    assert not node_of(world, "one")


def test_a_taint_is_said_and_its_end_is_seen(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    taint = {"key": "kept", "value": "yes", "effect": "NoSchedule"}
    world.client.patch(NODES, "this-computer", {"spec": {"taints": [taint]}})
    until(lambda: world.client.get(NODES, "this-computer")["spec"].get("taints"))
    world.pod("tolerant", tolerations=[{"key": "kept", "operator": "Exists"}])
    until(lambda: node_of(world, "tolerant"))
    world.pod("plain")
    message = "0/1 nodes are available: 1 node(s) had untolerated taint {kept: yes}."
    assert until(lambda: why_waiting(world, "plain")) == ("Unschedulable", message)
    world.client.patch(NODES, "this-computer", {"spec": {"taints": None}})
    until(lambda: node_of(world, "plain"))


def test_many_pods_that_wait_do_not_keep_one_that_can_run(world: World, start: Start) -> None:
    world.node()
    for number in range(3 * scheduler.TOLD_IN_A_PASS):
        asking(world, f"pod-{number}", "16")
    start(scheduler.controller)
    until(lambda: why_waiting(world, "pod-0"))
    asking(world, "small", "1")
    until(lambda: node_of(world, "small"))
    until(lambda: all(why_waiting(world, f"pod-{number}") for number in range(3 * scheduler.TOLD_IN_A_PASS)))


def test_events_are_about_what_the_scheduler_does(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    world.pod("fits")
    asking(world, "large", "16")
    until(lambda: world.events("Scheduled") and world.events("FailedScheduling"))
    found = world.client.list(EVENTS, namespace="default").items
    said = {(each["reason"], each["type"], each["action"], each["reportingComponent"]) for each in found}
    assert said == {
        ("Scheduled", "Normal", "Binding", "default-scheduler"),
        ("FailedScheduling", "Warning", "Scheduling", "default-scheduler"),
    }


def test_a_more_important_pod_has_another_ended(world: World, start: Start) -> None:
    world.node()
    start(scheduler.controller)
    world.client.create(PRIORITYCLASSES, {"metadata": {"name": "urgent"}, "value": 10})
    asking(world, "low", "6")
    until(lambda: node_of(world, "low"))
    asking(world, "high", "6", priorityClassName="urgent")
    until(lambda: "deletionTimestamp" in world.get(PODS, "low")["metadata"])
    target = conditions.get(world.get(PODS, "low"), "DisruptionTarget")
    assert target is not None
    assert (target["reason"], target["status"]) == ("PreemptionByScheduler", "True")
    uid = world.get(PODS, "high")["metadata"]["uid"]
    assert until(lambda: world.events("Preempted")) == [f"Preempted by pod {uid} on node this-computer"]
    assert not node_of(world, "high"), "its programs have not ended"
    world.client.delete(PODS, "low", namespace="default", grace_seconds=0)
    until(lambda: node_of(world, "high"))
