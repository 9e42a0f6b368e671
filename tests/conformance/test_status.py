"""The status subresource: writes to the object ignore the status, and writes to the status the rest."""

from __future__ import annotations

import pytest

from jupyter_trainjob.api.resources import CONFIGMAPS, JOBS, JOBSETS, NODES, PODS, TRAINJOBS, KubeObject, Resource

from .server import Server, job, jobset, pod, trainjob

CONDITION = {
    "type": "Suspended",
    "status": "True",
    "reason": "Suspended",
    "message": "TrainJob is suspended",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def test_status_is_dropped_on_create(server: Server) -> None:
    created = server.create(TRAINJOBS, {**trainjob("t"), "status": {"conditions": [CONDITION]}})
    assert not created.get("status")
    assert "active" not in server.create(JOBS, {**job("j"), "status": {"active": 7}})["status"]


def test_patch_of_the_object_does_not_change_the_status(server: Server) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    server.patch(TRAINJOBS, "t", {"status": {"conditions": [CONDITION]}}, subresource="status")
    change = {"spec": {"suspend": True}, "status": {"conditions": []}}
    assert server.patch(TRAINJOBS, "t", change)["status"]["conditions"] == [CONDITION]
    assert server.get(TRAINJOBS, "t")["spec"]["suspend"] is True


def test_patch_of_the_status_does_not_change_spec_and_generation(server: Server) -> None:
    before = server.create(TRAINJOBS, trainjob("t"))
    change = {"spec": {"suspend": True}, "status": {"conditions": [CONDITION]}}
    after = server.patch(TRAINJOBS, "t", change, subresource="status")
    assert after["spec"] == before["spec"]
    assert after["status"]["conditions"] == [CONDITION]
    assert after["metadata"]["generation"] == 1
    assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])


def test_patch_of_a_custom_status_does_not_change_the_metadata(server: Server) -> None:
    server.create(TRAINJOBS, {**trainjob("t"), "metadata": {"name": "t", "labels": {"a": "b"}}})
    change = {
        "metadata": {"labels": {"a": "c"}, "annotations": {"x.org/y": "z"}},
        "status": {"conditions": [CONDITION]},
    }
    metadata = server.patch(TRAINJOBS, "t", change, subresource="status")["metadata"]
    assert metadata["labels"] == {"a": "b"}
    assert "annotations" not in metadata


def test_put_of_the_object_and_of_its_status_write_separate_parts(server: Server) -> None:
    created = server.create(TRAINJOBS, trainjob("t"))
    both = {**created, "spec": {**created["spec"], "suspend": True}, "status": {"conditions": [CONDITION]}}
    half = server.send("PUT", server.path(TRAINJOBS, "t"), both).body
    assert half["spec"]["suspend"] is True
    assert not half.get("status")
    both["metadata"] = half["metadata"]
    both["spec"] = created["spec"]
    whole = server.send("PUT", server.path(TRAINJOBS, "t", "status"), both).body
    assert whole["spec"]["suspend"] is True
    assert whole["status"]["conditions"] == [CONDITION]


def test_a_stale_version_conflicts_for_the_status_too(server: Server) -> None:
    created = server.create(TRAINJOBS, trainjob("t"))
    server.patch(TRAINJOBS, "t", {"spec": {"suspend": True}})
    change = {
        "metadata": {"resourceVersion": created["metadata"]["resourceVersion"]},
        "status": {"conditions": [CONDITION]},
    }
    assert server.merge(TRAINJOBS, "t", change, subresource="status").status == 409


@pytest.mark.parametrize(
    ("resource", "obj", "status"),
    [
        (PODS, pod("x"), {"phase": "Running", "podIP": "127.0.0.2", "podIPs": [{"ip": "127.0.0.2"}]}),
        (JOBS, job("x"), {"active": 1, "ready": 1}),
        (JOBSETS, jobset("x"), {"restarts": 1}),
    ],
    ids=["Pod", "Job", "JobSet"],
)
def test_controllers_of_every_kind_can_patch_the_status(
    server: Server, resource: Resource, obj: KubeObject, status: KubeObject
) -> None:
    server.create(resource, obj)
    patched = server.patch(resource, "x", {"status": status}, subresource="status")
    assert {key: patched["status"][key] for key in status} == status
    read = server.send("GET", server.path(resource, "x", "status"))
    assert read.status == 200
    assert read.body == server.get(resource, "x")


def test_status_of_a_node_has_its_capacity(server: Server) -> None:
    name = f"node-{server.namespace}"
    server.client.create(NODES, {"metadata": {"name": name}})
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    change = {"status": {"capacity": capacity, "allocatable": capacity}}
    patched = server.client.patch(NODES, name, change, subresource="status")
    assert patched["status"]["capacity"] == capacity
    server.client.delete(NODES, name)


def test_a_kind_without_a_status_has_no_such_subresource(server: Server) -> None:
    server.configmap("a")
    assert server.send("GET", server.path(CONFIGMAPS, "a", "status")).status == 404
    assert server.merge(CONFIGMAPS, "a", {"status": {}}, subresource="status").status == 404


def test_status_of_a_missing_object_is_not_found(server: Server) -> None:
    assert server.merge(TRAINJOBS, "absent", {"status": {}}, subresource="status").status == 404
