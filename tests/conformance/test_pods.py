"""Pods: binding, immutability, the status subresource, and logs without a node."""

from __future__ import annotations

import pytest

from jupyter_trainjob.api.resources import PODS, KubeObject

from .server import Answer, Server, pod


def bind(server: Server, name: str, node: str) -> Answer:
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, "namespace": server.namespace},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    return server.send("POST", server.path(PODS, name, "binding"), binding)


def test_binding_sets_the_node_and_the_scheduled_condition(server: Server) -> None:
    server.create(PODS, pod("p"))
    answer = bind(server, "p", "n1")
    assert (answer.status, answer.body["kind"], answer.body["status"]) == (201, "Status", "Success")
    bound = server.get(PODS, "p")
    assert bound["spec"]["nodeName"] == "n1"
    scheduled = [condition for condition in bound["status"]["conditions"] if condition["type"] == "PodScheduled"]
    assert [condition["status"] for condition in scheduled] == ["True"]


def test_a_pod_is_bound_once(server: Server) -> None:
    server.create(PODS, pod("p"))
    assert bind(server, "p", "n1").status == 201
    assert bind(server, "p", "n2").status == 409
    assert server.get(PODS, "p")["spec"]["nodeName"] == "n1"


def test_binding_a_missing_pod_is_not_found(server: Server) -> None:
    assert bind(server, "absent", "n1").status == 404


def test_pod_being_deleted_cannot_be_bound(server: Server) -> None:
    server.create(PODS, pod("p", finalizers=["x.org/one"]))
    server.client.delete(PODS, "p", namespace=server.namespace)
    assert bind(server, "p", "n1").status == 409


@pytest.mark.parametrize(
    "change",
    [
        {"nodeName": "n1"},
        {"restartPolicy": "Never"},
        {"hostname": "other"},
        {"containers": [{"name": "main", "image": "none", "command": ["other"]}]},
    ],
    ids=["node", "restart policy", "hostname", "command"],
)
def test_the_spec_of_a_pod_is_immutable(server: Server, change: KubeObject) -> None:
    server.create(PODS, pod("p"))
    answer = server.merge(PODS, "p", {"spec": change})
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": []}, "spec.containers"),
        ({"containers": [{"name": "Bad Name", "image": "x"}]}, "spec.containers[0].name"),
        ({"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]}, "spec.containers[1].name"),
        ({"containers": [{"name": "a", "image": "x"}], "restartPolicy": "Sometimes"}, "spec.restartPolicy"),
        (
            {"containers": [{"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
            "spec.containers[0].volumeMounts[0].name",
        ),
    ],
    ids=["no container", "a container's name", "a name twice", "a restart policy", "a mount of no volume"],
)
def test_invalid_pod_is_rejected_with_the_field(server: Server, spec: KubeObject, field: str) -> None:
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    answer = server.send("POST", server.path(PODS), body)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert field in {cause["field"] for cause in answer.body["details"]["causes"]}


def test_resources_of_a_container_must_be_quantities_and_limits_become_requests(server: Server) -> None:
    limited = pod("p")
    limited["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "500m", "memory": "1Gi"}}
    resources = server.create(PODS, limited)["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}
    wrong = {"apiVersion": "v1", "kind": "Pod", **pod("q")}
    wrong["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "much"}}
    assert server.send("POST", server.path(PODS), wrong).status in {400, 422}


def test_status_of_a_pod_is_written_through_its_subresource(server: Server) -> None:
    server.create(PODS, pod("p"))
    bind(server, "p", "n1")
    terminated = {"exitCode": 1, "reason": "Error", "message": "why", "startedAt": "2026-01-01T00:00:00Z"}
    status = {
        "phase": "Failed",
        "hostIP": "127.0.0.1",
        "containerStatuses": [
            {
                "name": "main",
                "image": "none",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"terminated": terminated},
            }
        ],
    }
    patched = server.patch(PODS, "p", {"status": status}, subresource="status")["status"]
    assert patched["phase"] == "Failed"
    state = patched["containerStatuses"][0]["state"]["terminated"]
    assert {key: state[key] for key in terminated} == terminated


def test_log_of_a_missing_pod_is_not_found(server: Server) -> None:
    assert server.send("GET", server.path(PODS, "absent", "log")).status == 404


def test_the_log_of_a_pod_without_a_node_is_empty(server: Server) -> None:
    server.create(PODS, pod("p"))
    answer = server.send("GET", server.path(PODS, "p", "log"))
    assert answer.status in {200, 204}
    assert answer.body == {"text": ""}


def test_the_log_of_an_unknown_container_is_a_bad_request(server: Server) -> None:
    server.create(PODS, pod("p"))
    answer = server.send("GET", server.path(PODS, "p", "log"), query={"container": "other"})
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")
    assert "container other is not valid for pod p" in answer.body["message"]
