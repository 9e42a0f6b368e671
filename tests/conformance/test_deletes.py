"""Deletion: immediate, with finalizers, with a grace period, and with preconditions.

Owned objects are deleted by the garbage collector, which a bare API server lacks.
"""

from __future__ import annotations

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, NAMESPACES, PODS, SECRETS, TRAINJOBS, KubeObject

from .server import Server, pod, trainjob


def delete(server: Server, name: str, **options: object) -> tuple[int, KubeObject]:
    """Delete a ConfigMap with DeleteOptions."""
    answer = server.send("DELETE", server.path(CONFIGMAPS, name), options or None)
    return answer.status, answer.body


def is_there(server: Server, name: str) -> bool:
    return server.client.find(CONFIGMAPS, name, namespace=server.namespace) is not None


def test_deleted_object_can_be_recreated(server: Server) -> None:
    first = server.configmap("a")
    status, body = delete(server, "a")
    assert status == 200
    assert (body["kind"], body["status"]) == ("Status", "Success")
    assert body["details"]["name"] == "a"
    assert body["details"]["uid"] == first["metadata"]["uid"]
    assert not is_there(server, "a")
    assert server.configmap("a")["metadata"]["uid"] != first["metadata"]["uid"]


def test_deleting_a_missing_object_is_not_found(server: Server) -> None:
    with pytest.raises(errors.NotFound):
        server.client.delete(CONFIGMAPS, "absent", namespace=server.namespace)


def test_a_delete_for_another_uid_conflicts(server: Server) -> None:
    configmap = server.configmap("a")
    with pytest.raises(errors.Conflict):
        server.client.delete(CONFIGMAPS, "a", namespace=server.namespace, uid="another")
    assert is_there(server, "a")
    server.client.delete(CONFIGMAPS, "a", namespace=server.namespace, uid=configmap["metadata"]["uid"])
    assert not is_there(server, "a")


def test_a_delete_of_an_old_version_conflicts(server: Server) -> None:
    configmap = server.configmap("a")
    changed = server.patch(CONFIGMAPS, "a", {"data": {"k": "v"}})
    status, body = delete(server, "a", preconditions={"resourceVersion": configmap["metadata"]["resourceVersion"]})
    assert (status, body["reason"]) == (409, "Conflict")
    status, _ = delete(server, "a", preconditions={"resourceVersion": changed["metadata"]["resourceVersion"]})
    assert status == 200


def test_object_is_removed_with_its_last_finalizer(server: Server) -> None:
    server.create(TRAINJOBS, {**trainjob("t"), "metadata": {"name": "t", "finalizers": ["x.org/one", "x.org/two"]}})
    server.client.delete(TRAINJOBS, "t", namespace=server.namespace)
    held = server.get(TRAINJOBS, "t")["metadata"]
    assert held["deletionTimestamp"]
    assert held["finalizers"] == ["x.org/one", "x.org/two"]
    server.patch(TRAINJOBS, "t", {"metadata": {"finalizers": ["x.org/two"]}})
    assert server.get(TRAINJOBS, "t")["metadata"]["deletionTimestamp"] == held["deletionTimestamp"]
    last = server.patch(TRAINJOBS, "t", {"metadata": {"finalizers": None}})
    assert last["metadata"]["name"] == "t"
    assert server.client.find(TRAINJOBS, "t", namespace=server.namespace) is None


def test_deletion_timestamp_is_set_once(server: Server) -> None:
    server.create(CONFIGMAPS, {"metadata": {"name": "a", "finalizers": ["x.org/one"]}})
    status, body = delete(server, "a")
    assert status == 200
    assert body["kind"] == "ConfigMap"
    first = server.get(CONFIGMAPS, "a")
    assert delete(server, "a")[0] == 200
    assert server.get(CONFIGMAPS, "a")["metadata"]["deletionTimestamp"] == first["metadata"]["deletionTimestamp"]
    assert server.patch(CONFIGMAPS, "a", {"data": {"k": "v"}})["metadata"]["deletionTimestamp"]
    server.patch(CONFIGMAPS, "a", {"metadata": {"deletionTimestamp": None}})
    assert server.get(CONFIGMAPS, "a")["metadata"]["deletionTimestamp"]


def test_finalizers_cannot_be_added_during_deletion(server: Server) -> None:
    server.create(CONFIGMAPS, {"metadata": {"name": "a", "finalizers": ["x.org/one"]}})
    delete(server, "a")
    answer = server.merge(CONFIGMAPS, "a", {"metadata": {"finalizers": ["x.org/one", "x.org/two"]}})
    assert (answer.status, answer.body["reason"]) in {(422, "Invalid"), (403, "Forbidden")}


def test_name_is_in_use_until_the_object_is_removed(server: Server) -> None:
    server.create(CONFIGMAPS, {"metadata": {"name": "a", "finalizers": ["x.org/one"]}})
    delete(server, "a")
    with pytest.raises(errors.AlreadyExists):
        server.configmap("a")


def test_deletion_increments_the_generation(server: Server) -> None:
    server.create(TRAINJOBS, {**trainjob("t"), "metadata": {"name": "t", "finalizers": ["x.org/one"]}})
    server.client.delete(TRAINJOBS, "t", namespace=server.namespace)
    assert server.get(TRAINJOBS, "t")["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")], ids=["foreground", "orphan"]
)
def test_propagation_policy_adds_the_finalizer_of_the_garbage_collector(
    server: Server, policy: str, finalizer: str
) -> None:
    server.configmap("a")
    server.client.delete(CONFIGMAPS, "a", namespace=server.namespace, propagation=policy)
    metadata = server.get(CONFIGMAPS, "a")["metadata"]
    assert metadata["finalizers"] == [finalizer]
    assert metadata["deletionTimestamp"]
    server.patch(CONFIGMAPS, "a", {"metadata": {"finalizers": None}})
    assert not is_there(server, "a")


def test_propagation_policy_may_be_a_query_parameter(server: Server) -> None:
    server.configmap("a")
    answer = server.send("DELETE", server.path(CONFIGMAPS, "a"), query={"propagationPolicy": "Foreground"})
    assert answer.status == 200
    assert server.get(CONFIGMAPS, "a")["metadata"]["finalizers"] == ["foregroundDeletion"]


def test_unknown_propagation_policy_is_invalid(server: Server) -> None:
    server.configmap("a")
    status, _ = delete(server, "a", propagationPolicy="Sideways")
    assert status == 422
    assert is_there(server, "a")


def test_background_deletion_removes_the_object_at_once(server: Server) -> None:
    server.configmap("a")
    server.client.delete(CONFIGMAPS, "a", namespace=server.namespace, propagation="Background")
    assert not is_there(server, "a")


def test_delete_collection_removes_selected_objects(server: Server) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        server.configmap(name, labels={"tier": tier})
    server.create(SECRETS, {"metadata": {"name": "s", "labels": {"tier": "x"}}})
    answer = server.send("DELETE", server.path(CONFIGMAPS), query={"labelSelector": "tier=x"})
    assert answer.status == 200
    assert server.names(CONFIGMAPS) == ["c"]
    assert server.names(SECRETS) == ["s"]
    server.send("DELETE", server.path(CONFIGMAPS))
    assert server.names(CONFIGMAPS) == []


def test_a_collection_cannot_be_deleted_across_namespaces(server: Server) -> None:
    assert server.send("DELETE", CONFIGMAPS.path()).status == 405


def bound(server: Server, name: str) -> KubeObject:
    """Create a pod that is bound to a node."""
    server.create(PODS, pod(name))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"kind": "Node", "name": "n"},
    }
    assert server.send("POST", server.path(PODS, name, "binding"), binding).status == 201
    return server.get(PODS, name)


def test_unbound_pod_is_removed_at_once(server: Server) -> None:
    server.create(PODS, pod("p"))
    server.client.delete(PODS, "p", namespace=server.namespace)
    assert server.client.find(PODS, "p", namespace=server.namespace) is None


def test_bound_pod_is_removed_when_its_node_deletes_it(server: Server) -> None:
    bound(server, "p")
    answer = server.send("DELETE", server.path(PODS, "p"))
    assert answer.body["kind"] == "Pod"
    metadata = server.get(PODS, "p")["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 30
    # The time of deletion is when the grace period ends.
    assert metadata["deletionTimestamp"] > metadata["creationTimestamp"]
    server.client.delete(PODS, "p", namespace=server.namespace, grace_seconds=0, uid=metadata["uid"])
    assert server.client.find(PODS, "p", namespace=server.namespace) is None


def test_grace_period_can_only_be_shortened(server: Server) -> None:
    bound(server, "p")
    server.client.delete(PODS, "p", namespace=server.namespace, grace_seconds=20)
    assert server.get(PODS, "p")["metadata"]["deletionGracePeriodSeconds"] == 20
    server.client.delete(PODS, "p", namespace=server.namespace, grace_seconds=5)
    assert server.get(PODS, "p")["metadata"]["deletionGracePeriodSeconds"] == 5
    server.client.delete(PODS, "p", namespace=server.namespace, grace_seconds=50)
    assert server.get(PODS, "p")["metadata"]["deletionGracePeriodSeconds"] == 5


def test_finished_pod_is_removed_at_once(server: Server) -> None:
    bound(server, "p")
    server.patch(PODS, "p", {"status": {"phase": "Succeeded"}}, subresource="status")
    server.client.delete(PODS, "p", namespace=server.namespace)
    assert server.client.find(PODS, "p", namespace=server.namespace) is None


def test_pod_with_a_finalizer_stays_after_its_grace_period(server: Server) -> None:
    server.create(PODS, pod("p", finalizers=["x.org/one"]))
    server.client.delete(PODS, "p", namespace=server.namespace, grace_seconds=0)
    assert server.get(PODS, "p")["metadata"]["deletionTimestamp"]
    server.patch(PODS, "p", {"metadata": {"finalizers": None}})
    assert server.client.find(PODS, "p", namespace=server.namespace) is None


def test_terminating_namespace_rejects_new_objects(server: Server) -> None:
    server.configmap("a")
    answer = server.send("DELETE", NAMESPACES.path(None, server.namespace))
    assert answer.status == 200
    namespace = server.client.get(NAMESPACES, server.namespace)
    assert namespace["metadata"]["deletionTimestamp"]
    assert namespace["status"]["phase"] == "Terminating"
    with pytest.raises(errors.Forbidden) as caught:
        server.configmap("b")
    assert caught.value.status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
