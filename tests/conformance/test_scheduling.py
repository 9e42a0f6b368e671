"""Scheduling in the API: priority classes, pod groups, node selection, and kubectl's node commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_trainjob.api.resources import NODES, PODGROUPS, PODS, PRIORITYCLASSES, KubeObject
from jupyter_trainjob.kube.client import MERGE_PATCH

from .server import Answer, Server, pod

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]
SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def priority_class(server: Server, name: str = "", **fields: Any) -> KubeObject:
    """Return a class with a unique name, because classes are not namespaced."""
    return {"metadata": {"name": f"{server.namespace}{name}"}, "value": 7, **fields}


def sent(server: Server, obj: KubeObject) -> Answer:
    whole = {"apiVersion": PRIORITYCLASSES.api_version, "kind": PRIORITYCLASSES.kind, **obj}
    return server.send("POST", PRIORITYCLASSES.path(), whole)


def created(server: Server, **spec: Any) -> Answer:
    whole = pod("p")
    return server.send(
        "POST", server.path(PODS), {"apiVersion": "v1", "kind": "Pod", **whole, "spec": {**whole["spec"], **spec}}
    )


def priority(answer: Answer) -> tuple[Any, ...]:
    assert answer.status == 201, answer.body
    spec = answer.body["spec"]
    return spec.get("priorityClassName"), spec["priority"], spec["preemptionPolicy"]


def test_priority_class_gets_its_defaults(server: Server) -> None:
    stored = sent(server, priority_class(server)).body
    assert (stored["value"], stored["preemptionPolicy"]) == (7, "PreemptLowerPriority")
    assert "globalDefault" not in stored
    assert stored["metadata"]["generation"] == 1
    assert sent(server, {"metadata": {"name": f"{server.namespace}-zero"}}).body["value"] == 0


def test_system_priority_classes_exist_and_cannot_be_deleted(server: Server) -> None:
    for name, value in SYSTEM.items():
        assert server.client.get(PRIORITYCLASSES, name)["value"] == value
        refused = server.send("DELETE", PRIORITYCLASSES.path(name=name))
        assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
        assert "this is a system priority class and cannot be deleted" in refused.body["message"]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        pytest.param(
            {"value": 1_000_000_001},
            "value",
            "Forbidden: maximum allowed value of a user defined priority is 1000000000",
            id="users' priorities are below the system's",
        ),
        pytest.param(
            {"preemptionPolicy": "Sometimes"},
            "preemptionPolicy",
            'Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"',
            id="a class preempts or does not",
        ),
        pytest.param(
            {"metadata": {"name": "system-mine"}},
            "metadata.name",
            "Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
            "system-mine is not a known system priority class",
            id="names of the system are reserved",
        ),
    ],
)
def test_invalid_priority_class_is_rejected(server: Server, fields: KubeObject, field: str, message: str) -> None:
    refused = sent(server, {**priority_class(server), **fields})
    assert refused.status == 422
    causes = {cause["field"]: cause["message"] for cause in refused.body["details"]["causes"]}
    assert causes == {field: message}


def test_value_of_a_priority_class_is_an_integer(server: Server) -> None:
    assert sent(server, priority_class(server, value="many")).status in {400, 422}


def test_priority_class_is_immutable(server: Server) -> None:
    name = sent(server, priority_class(server)).body["metadata"]["name"]

    def change(**fields: Any) -> Answer:
        return server.send("PATCH", PRIORITYCLASSES.path(name=name), fields, content_type=MERGE_PATCH)

    assert change(value=8).body["details"]["causes"][0]["message"] == "Forbidden: may not be changed in an update."
    assert change(preemptionPolicy="Never").body["details"]["causes"][0]["field"] == "preemptionPolicy"
    described = change(description="a word")
    assert (described.status, described.body["metadata"]["generation"]) == (200, 1)


def test_a_pod_gets_the_priority_of_its_class(server: Server) -> None:
    urgent = priority_class(server, preemptionPolicy="Never")
    name = sent(server, urgent).body["metadata"]["name"]
    assert priority(created(server, priorityClassName=name)) == (name, 7, "Never")


def test_a_pod_without_a_class_has_priority_0(server: Server) -> None:
    assert priority(created(server)) == (None, 0, "PreemptLowerPriority")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        pytest.param(
            {"priorityClassName": "nobodys"}, "no PriorityClass with name nobodys was found", id="a class that is not"
        ),
        pytest.param(
            {"priority": 7},
            "the integer value of priority (7) must not be provided in pod spec; priority admission controller "
            "computed 0 from the given PriorityClass name",
            id="a priority of one's own",
        ),
        pytest.param(
            {"preemptionPolicy": "Never"},
            "the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission "
            "controller computed PreemptLowerPriority from the given PriorityClass name",
            id="a policy of one's own",
        ),
    ],
)
def test_priority_without_a_class_is_forbidden(server: Server, spec: KubeObject, why: str) -> None:
    refused = created(server, **spec)
    assert (refused.status, refused.body["message"]) == (403, f'pods "p" is forbidden: {why}')


def test_put_without_a_priority_keeps_it(server: Server) -> None:
    stored = created(server).body
    spec = {name: value for name, value in stored["spec"].items() if name not in {"priority", "preemptionPolicy"}}
    stored["metadata"]["labels"] = {"a": "b"}
    replaced = server.send("PUT", server.path(PODS, "p"), {**stored, "spec": spec})
    assert (replaced.status, replaced.body["spec"]["priority"]) == (200, 0)


def test_pod_group_is_validated(server: Server) -> None:
    spec = {"minMember": 2, "minResources": {"cpu": "500m", "memory": 1}, "scheduleTimeoutSeconds": 30}
    group = server.create(PODGROUPS, {"metadata": {"name": "g"}, "spec": {**spec, "unknown": 1}})
    assert (group["spec"], group["metadata"]["generation"]) == (spec, 1)
    for wrong in ({"minMember": 0}, {"minResources": {"cpu": "much"}}, {"scheduleTimeoutSeconds": "soon"}):
        assert server.merge(PODGROUPS, "g", {"spec": wrong}).status == 422
    phase = server.patch(PODGROUPS, "g", {"status": {"phase": "Running", "running": 2}}, subresource="status")
    assert (phase["status"], phase["metadata"]["generation"]) == ({"phase": "Running", "running": 2}, 1)


def requiring(*terms: KubeObject) -> KubeObject:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        pytest.param(
            {"affinity": requiring()},
            TERMS,
            "Required value: must have at least one node selector term",
            id="affinity has terms",
        ),
        pytest.param(
            {"affinity": requiring({"matchExpressions": [{"key": "a", "operator": "In"}]})},
            f"{TERMS}[0].matchExpressions[0].values",
            "Required value: must be specified when `operator` is 'In' or 'NotIn'",
            id="In has values",
        ),
        pytest.param(
            {"affinity": requiring({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]})},
            f"{TERMS}[0].matchExpressions[0].values",
            "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            id="Exists with values",
        ),
        pytest.param(
            {"affinity": requiring({"matchExpressions": [{"key": "a", "operator": "Foo"}]})},
            f"{TERMS}[0].matchExpressions[0].operator",
            'Invalid value: "Foo": not a valid selector operator',
            id="an unknown operator",
        ),
        pytest.param(
            {"affinity": requiring({"matchFields": [{"key": "x", "operator": "In", "values": ["a"]}]})},
            f"{TERMS}[0].matchFields[0].key",
            'Invalid value: "x": not a valid field selector key',
            id="a node is chosen by no other field than its name",
        ),
        pytest.param(
            {"tolerations": [{"value": "x"}]},
            "spec.tolerations[0].operator",
            'Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and '
            'all keys"',
            id="a toleration without a key is of everything",
        ),
        pytest.param(
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
            "spec.tolerations[0].operator",
            "Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
            id="a toleration with Exists and a value",
        ),
        pytest.param(
            {"tolerations": [{"key": "a", "operator": "Foo"}]},
            "spec.tolerations[0].operator",
            'Unsupported value: "Foo": supported values: "Equal", "Exists"',
            id="a toleration with an unknown operator",
        ),
        pytest.param(
            {"tolerations": [{"key": "a", "effect": "Bar"}]},
            "spec.tolerations[0].effect",
            'Unsupported value: "Bar": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
            id="a toleration with an unknown effect",
        ),
        pytest.param(
            {"tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 3}]},
            "spec.tolerations[0].effect",
            "Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set",
            id="only an eviction can be put off",
        ),
    ],
)
def test_node_selection_of_a_pod_is_validated(server: Server, spec: KubeObject, field: str, message: str) -> None:
    refused = created(server, **spec)
    assert refused.status == 422
    causes = [cause for cause in refused.body["details"]["causes"] if cause["field"] == field]
    assert message in [cause["message"] for cause in causes]


@pytest.mark.parametrize("server", ["embedded-http", "kubernetes"], indirect=True)
def test_kubectl_uses_their_short_names_and_columns(server: Server, kubectl: Kubectl) -> None:
    name = sent(server, priority_class(server)).body["metadata"]["name"]
    lines = [line.split() for line in kubectl("get", "pc").stdout.splitlines()]
    assert lines[0] == ["NAME", "VALUE", "GLOBAL-DEFAULT", "AGE", "PREEMPTIONPOLICY"]
    rows = {line[0]: line for line in lines[1:]}
    assert rows[name][1:3] == ["7", "false"]
    assert rows["system-node-critical"][1:3] == ["2000001000", "false"]
    group = {"apiVersion": PODGROUPS.api_version, "kind": "PodGroup", "metadata": {"name": "g"}}
    kubectl("create", "--filename=-", stdin=json.dumps({**group, "spec": {"minMember": 3}}))
    lines = [line.split() for line in kubectl("get", "pg").stdout.splitlines()]
    assert lines[0] == ["NAME", "PHASE", "MINMEMBER", "RUNNING", "SUCCEEDED", "FAILED", "AGE"]
    assert lines[1][:2] == ["g", "3"]


@pytest.mark.parametrize("server", ["embedded-http", "kubernetes"], indirect=True)
def test_kubectl_taints_labels_and_cordons_a_node(server: Server, kubectl: Kubectl) -> None:
    name = f"node-{server.namespace}"
    server.client.create(NODES, {"metadata": {"name": name}, "spec": {}})

    def taints() -> list[KubeObject]:
        return [taint for taint in server.client.get(NODES, name)["spec"].get("taints", []) if taint["key"] == "kept"]

    kubectl("taint", "nodes", name, "kept=yes:NoSchedule")
    assert taints() == [{"key": "kept", "value": "yes", "effect": "NoSchedule"}]
    kubectl("taint", "nodes", name, "kept=yes:NoExecute")
    assert {taint["effect"] for taint in taints()} == {"NoSchedule", "NoExecute"}
    kubectl("taint", "nodes", name, "kept-")
    assert taints() == []
    kubectl("label", "node", name, "disk=ssd")
    assert server.client.get(NODES, name)["metadata"]["labels"]["disk"] == "ssd"
    kubectl("cordon", name)
    assert server.client.get(NODES, name)["spec"]["unschedulable"] is True
    kubectl("uncordon", name)
    assert not server.client.get(NODES, name)["spec"].get("unschedulable")
    server.client.delete(NODES, name)
