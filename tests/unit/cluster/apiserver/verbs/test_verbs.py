"""Create, update, patch and delete: metadata, status, finalizers and grace periods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import (
    CONFIGMAPS,
    JOBS,
    NAMESPACES,
    PODS,
    SECRETS,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request

NS = "default"


def pod(name: str = "p", **metadata: Any) -> KubeObject:
    spec = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 5}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


def trainjob(name: str = "t", **metadata: Any) -> KubeObject:
    return {"metadata": {"name": name, **metadata}, "spec": {"runtimeRef": {"name": "r"}, "trainer": {"numNodes": 2}}}


def bind(client: Client, name: str = "p") -> None:
    client.raw(Request("POST", PODS.path(NS, name, "binding"), {}, b'{"target":{"kind":"Node","name":"n1"}}'))


def put(client: Client, resource: Resource, obj: KubeObject, subresource: str | None = None) -> KubeObject:
    metadata = obj["metadata"]
    path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
    answer: KubeObject = json.loads(client.raw(Request("PUT", path, {}, json.dumps(obj).encode())).read())
    return answer


def delete(client: Client, resource: Resource, name: str, **options: Any) -> KubeObject:
    namespace = NS if resource.namespaced else None
    request = Request("DELETE", resource.path(namespace, name), {}, json.dumps(options).encode())
    answer: KubeObject = json.loads(client.raw(request).read())
    return answer


class TestCreate:
    def test_new_object_gets_uid_and_timestamps(self, client: Client) -> None:
        created = client.create(TRAINJOBS, {**trainjob(uid="mine", generation=7), "status": {"x": 1}}, namespace=NS)
        metadata = created["metadata"]
        assert metadata["uid"] != "mine"
        assert (metadata["generation"], metadata["namespace"]) == (1, NS)
        assert metadata["creationTimestamp"].endswith("Z")
        assert "status" not in created
        assert client.get(TRAINJOBS, "t", namespace=NS) == created

    def test_generated_names_end_with_five_characters(self, client: Client) -> None:
        obj = {"metadata": {"generateName": "c-"}}
        names = {client.create(CONFIGMAPS, obj, namespace=NS)["metadata"]["name"] for _ in range(3)}
        assert len(names) == 3
        assert {len(name) for name in names} == {7}

    def test_existing_name_is_409(self, client: Client) -> None:
        client.create(PODS, pod(), namespace=NS)
        with pytest.raises(errors.AlreadyExists, match='pods "p" already exists'):
            client.create(PODS, pod(), namespace=NS)

    def test_dry_run_of_a_create_stores_nothing(self, core: ApiServer, store: Store) -> None:
        before = store.version
        body = json.dumps({"apiVersion": "v1", "kind": "Pod", **pod()}).encode()
        response = core.send(Request("POST", PODS.path(NS), {"dryRun": "All"}, body))
        assert response.status == 201
        assert json.loads(response.read())["metadata"]["uid"]
        assert store.version == before

    @pytest.mark.parametrize(
        ("obj", "code", "words"),
        [
            ({"metadata": {"name": "A_b"}}, 422, "lowercase RFC 1123 subdomain"),
            ({"metadata": {}}, 422, "name or generateName is required"),
            ({"metadata": {"name": "a", "labels": {"x": "y z"}}}, 422, "a valid label"),
            ({"metadata": {"name": "a", "labels": {"-": "y"}}}, 422, "name part"),
            ({"metadata": {"name": "a", "namespace": "other"}}, 400, "does not match the namespace"),
            ({"metadata": {"name": "a", "resourceVersion": "1"}}, 400, "resourceVersion should not be set"),
            ({"metadata": {"name": "a", "ownerReferences": [{"kind": "x"}]}}, 422, "must not be empty"),
            ({"metadata": {"name": "a"}, "kind": "Secret"}, 400, "cannot be handled as a"),
            ({"metadata": {"name": "a"}, "data": {"k": "x" * (1 << 20), "l": "y"}}, 422, "may not be more than"),
        ],
    )
    def test_invalid_objects_are_rejected(self, client: Client, obj: KubeObject, code: int, words: str) -> None:
        with pytest.raises(errors.ApiError, match=words) as caught:
            client.create(CONFIGMAPS, obj, namespace=NS)
        assert caught.value.code == code

    def test_namespaces_must_exist(self, client: Client) -> None:
        with pytest.raises(errors.NotFound, match='namespaces "none" not found'):
            client.create(PODS, pod(), namespace="none")

    def test_invalid_fields_are_named(self, client: Client) -> None:
        with pytest.raises(errors.Invalid) as caught:
            client.create(TRAINJOBS, {"metadata": {"name": "t"}, "spec": {}}, namespace=NS)
        assert caught.value.status["details"]["causes"][0]["field"] == "spec.runtimeRef"

    def test_unknown_fields_are_rejected_with_strict_validation(self, core: ApiServer) -> None:
        obj = {"apiVersion": TRAINJOBS.api_version, "kind": "TrainJob", **trainjob()}
        obj["spec"]["trainer"]["numNode"] = 3
        strict = core.send(Request("POST", TRAINJOBS.path(NS), {"fieldValidation": "Strict"}, json.dumps(obj).encode()))
        assert strict.status == 400
        assert b'unknown field \\"spec.trainer.numNode\\"' in strict.read()
        assert core.send(Request("POST", TRAINJOBS.path(NS), {}, json.dumps(obj).encode())).status == 201

    def test_string_data_of_secrets_becomes_data(self, client: Client) -> None:
        created = client.create(SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "b"}}, namespace=NS)
        assert (created["data"], created["type"], "stringData" in created) == ({"a": "Yg=="}, "Opaque", False)

    def test_yaml_bodies_are_accepted(self, core: ApiServer) -> None:
        body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y, annotations: {day: 2024-01-01}}"
        response = core.send(Request("POST", CONFIGMAPS.path(NS), {}, body, content_type="application/yaml"))
        assert json.loads(response.read())["metadata"]["annotations"] == {"day": "2024-01-01"}

    @pytest.mark.parametrize(
        ("body", "content_type", "code"),
        [
            (b"{", "application/json", 400),
            (b"[]", "application/json", 400),
            (
                b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":NaN}}',
                "application/json",
                400,
            ),
            (b"k8s\0", "application/vnd.kubernetes.protobuf", 415),
        ],
    )
    def test_undecodable_bodies_are_rejected(self, core: ApiServer, body: bytes, content_type: str, code: int) -> None:
        assert core.send(Request("POST", CONFIGMAPS.path(NS), {}, body, content_type=content_type)).status == code


class TestUpdate:
    def test_generation_counts_changes_of_the_spec_only(self, client: Client) -> None:
        client.create(TRAINJOBS, trainjob(), namespace=NS)

        def patched(patch: KubeObject, subresource: str | None = None) -> int:
            changed = client.patch(TRAINJOBS, "t", patch, namespace=NS, subresource=subresource)
            return int(changed["metadata"]["generation"])

        assert patched({"metadata": {"labels": {"a": "b"}}}) == 1
        assert patched({"status": {"conditions": []}}, "status") == 1
        assert patched({"spec": {"suspend": True}}) == 2
        assert patched({"spec": {"suspend": True}}) == 2

    def test_status_changes_only_through_its_subresource(self, client: Client) -> None:
        client.create(JOBS, _job(), namespace=NS)
        client.patch(
            JOBS, "j", {"status": {"active": 1}, "spec": {"suspend": True}}, namespace=NS, subresource="status"
        )
        job = client.patch(JOBS, "j", {"status": {"active": 5}}, namespace=NS)
        assert (job["status"], job["spec"]["suspend"]) == ({"active": 1}, False)

    def test_status_patches_of_custom_resources_leave_metadata_alone(self, client: Client) -> None:
        client.create(TRAINJOBS, trainjob(), namespace=NS)
        patch = {"metadata": {"labels": {"a": "b"}}, "status": {"jobsStatus": []}}
        changed = client.patch(TRAINJOBS, "t", patch, namespace=NS, subresource="status")
        assert "labels" not in changed["metadata"]

    def test_write_without_changes_keeps_the_version(self, client: Client, store: Store) -> None:
        created = client.create(PODS, pod(), namespace=NS)
        assert client.patch(PODS, "p", {"metadata": {"labels": {}}}, namespace=NS)["metadata"]["uid"]
        before = store.version
        same = client.get(PODS, "p", namespace=NS)
        assert put(client, PODS, same) == same
        assert (store.version, created["metadata"]["uid"]) == (before, same["metadata"]["uid"])

    def test_outdated_version_is_a_conflict(self, client: Client) -> None:
        old = client.create(PODS, pod(), namespace=NS)
        client.patch(PODS, "p", {"metadata": {"labels": {"a": "b"}}}, namespace=NS)
        version = old["metadata"]["resourceVersion"]
        with pytest.raises(errors.Conflict, match="the object has been modified"):
            client.patch(PODS, "p", {"metadata": {"resourceVersion": version, "labels": {"c": "d"}}}, namespace=NS)
        with pytest.raises(errors.Conflict):
            put(client, PODS, old)
        with pytest.raises(errors.Conflict, match="UID in precondition"):
            client.patch(PODS, "p", {"metadata": {"uid": "other"}}, namespace=NS)

    def test_put_without_a_version_is_rejected_for_custom_resources(self, client: Client) -> None:
        for resource, obj in ((PODS, pod()), (TRAINJOBS, trainjob())):
            client.create(resource, obj, namespace=NS)
        stored = client.get(PODS, "p", namespace=NS)
        del stored["metadata"]["resourceVersion"]
        stored["metadata"]["labels"] = {"a": "b"}
        assert put(client, PODS, stored)["metadata"]["labels"] == {"a": "b"}
        custom = client.get(TRAINJOBS, "t", namespace=NS)
        del custom["metadata"]["resourceVersion"]
        with pytest.raises(errors.Invalid, match="must be specified for an update"):
            put(client, TRAINJOBS, custom)

    def test_server_fields_cannot_be_changed(self, client: Client) -> None:
        created = client.create(PODS, pod(), namespace=NS)
        patch: KubeObject = {"creationTimestamp": None, "generation": 9, "selfLink": "x", "managedFields": []}
        changed = client.patch(PODS, "p", {"metadata": {**patch, "annotations": {"a": "b"}}}, namespace=NS)
        expected = {**created["metadata"], "annotations": {"a": "b"}}
        expected["resourceVersion"] = changed["metadata"]["resourceVersion"]
        assert changed["metadata"] == expected

    @pytest.mark.parametrize("field", ["name", "namespace"])
    def test_names_cannot_be_changed(self, client: Client, field: str) -> None:
        client.create(PODS, pod(), namespace=NS)
        with pytest.raises(errors.BadRequest, match="does not match"):
            client.patch(PODS, "p", {"metadata": {field: "other"}}, namespace=NS)

    def test_missing_object_is_404(self, client: Client) -> None:
        with pytest.raises(errors.NotFound):
            client.patch(PODS, "p", {}, namespace=NS)


class TestBinding:
    def test_pod_can_be_bound_once(self, client: Client) -> None:
        client.create(PODS, pod(), namespace=NS)
        bind(client)
        bound = client.get(PODS, "p", namespace=NS)
        assert bound["spec"]["nodeName"] == "n1"
        assert [(condition["type"], condition["status"]) for condition in bound["status"]["conditions"]] == [
            ("PodScheduled", "True")
        ]
        with pytest.raises(errors.Conflict, match='already assigned to node "n1"'):
            bind(client)


class TestDelete:
    def test_unbound_pod_is_removed_at_once(self, client: Client) -> None:
        client.create(PODS, pod(), namespace=NS)
        delete(client, PODS, "p")
        assert client.find(PODS, "p", namespace=NS) is None

    def test_bound_pod_gets_a_grace_period(self, client: Client) -> None:
        client.create(PODS, pod(), namespace=NS)
        bind(client)
        delete(client, PODS, "p")
        metadata = client.get(PODS, "p", namespace=NS)["metadata"]
        assert metadata["deletionGracePeriodSeconds"] == 5
        assert metadata["deletionTimestamp"] > metadata["creationTimestamp"]
        delete(client, PODS, "p", gracePeriodSeconds=9)
        assert client.get(PODS, "p", namespace=NS)["metadata"] == metadata
        delete(client, PODS, "p", gracePeriodSeconds=2)
        assert client.get(PODS, "p", namespace=NS)["metadata"]["deletionGracePeriodSeconds"] == 2
        delete(client, PODS, "p", gracePeriodSeconds=0)
        assert client.find(PODS, "p", namespace=NS) is None

    def test_finished_pod_is_removed_at_once(self, client: Client) -> None:
        client.create(PODS, pod(), namespace=NS)
        bind(client)
        client.patch(PODS, "p", {"status": {"phase": "Failed"}}, namespace=NS, subresource="status")
        delete(client, PODS, "p")
        assert client.find(PODS, "p", namespace=NS) is None

    def test_object_stays_until_its_last_finalizer_is_removed(self, client: Client) -> None:
        client.create(CONFIGMAPS, {"metadata": {"name": "c", "finalizers": ["a.b/c", "a.b/d"]}}, namespace=NS)
        delete(client, CONFIGMAPS, "c")
        client.patch(CONFIGMAPS, "c", {"metadata": {"finalizers": ["a.b/d"]}}, namespace=NS)
        with pytest.raises(errors.Invalid, match="no new finalizers"):
            client.patch(CONFIGMAPS, "c", {"metadata": {"finalizers": ["a.b/d", "a.b/e"]}}, namespace=NS)
        client.patch(CONFIGMAPS, "c", {"metadata": {"finalizers": None}}, namespace=NS)
        assert client.find(CONFIGMAPS, "c", namespace=NS) is None

    @pytest.mark.parametrize(
        ("policy", "finalizers"), [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"]), ("Background", None)]
    )
    def test_propagation_policies_set_finalizers(
        self, client: Client, policy: str, finalizers: list[str] | None
    ) -> None:
        client.create(TRAINJOBS, trainjob(), namespace=NS)
        delete(client, TRAINJOBS, "t", propagationPolicy=policy)
        stored = client.find(TRAINJOBS, "t", namespace=NS)
        assert (stored and stored["metadata"]["finalizers"]) == finalizers

    def test_unknown_propagation_policy_is_rejected(self, client: Client) -> None:
        client.create(CONFIGMAPS, {"metadata": {"name": "c"}}, namespace=NS)
        with pytest.raises(errors.Invalid, match="propagationPolicy"):
            delete(client, CONFIGMAPS, "c", propagationPolicy="Sideways")

    def test_uid_precondition_protects_a_recreated_object(self, client: Client) -> None:
        client.create(CONFIGMAPS, {"metadata": {"name": "c"}}, namespace=NS)
        for wanted in ({"uid": "other"}, {"resourceVersion": "1"}):
            with pytest.raises(errors.Conflict, match="Precondition failed"):
                delete(client, CONFIGMAPS, "c", preconditions=wanted)

    def test_delete_collection_by_selector(self, core: ApiServer, client: Client) -> None:
        for name, team in (("a", "red"), ("b", "blue"), ("c", "red")):
            client.create(CONFIGMAPS, {"metadata": {"name": name, "labels": {"team": team}}}, namespace=NS)
        core.send(Request("DELETE", CONFIGMAPS.path(NS), {"labelSelector": "team=red"}))
        assert [obj["metadata"]["name"] for obj in client.list(CONFIGMAPS).items] == ["b"]

    def test_dry_run_of_a_delete_removes_nothing(self, client: Client) -> None:
        client.create(CONFIGMAPS, {"metadata": {"name": "c"}}, namespace=NS)
        delete(client, CONFIGMAPS, "c", dryRun=["All"])
        assert client.find(CONFIGMAPS, "c", namespace=NS) is not None

    def test_namespace_is_removed_when_finalized(self, client: Client) -> None:
        client.create(NAMESPACES, {"metadata": {"name": "team"}})
        delete(client, NAMESPACES, "team")
        namespace = client.get(NAMESPACES, "team")
        assert namespace["status"]["phase"] == "Terminating"
        with pytest.raises(errors.Forbidden, match="being terminated"):
            client.create(PODS, pod(), namespace="team")
        namespace["spec"]["finalizers"] = []
        put(client, NAMESPACES, namespace, "finalize")
        assert client.find(NAMESPACES, "team") is None

    @pytest.mark.parametrize("name", ["default", "kube-system"])
    def test_initial_namespaces_cannot_be_deleted(self, client: Client, name: str) -> None:
        with pytest.raises(errors.Forbidden, match="may not be deleted"):
            delete(client, NAMESPACES, name)


def _job() -> KubeObject:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": "j"}, "spec": {"template": template}}
