"""Create, update, patch, delete: what a real API server does with metadata, status, finalizers and grace."""

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
    Object,
    Resource,
)
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request

NS = "default"


def pod(name: str = "p", **metadata: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 5}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


def trainjob(name: str = "t", **metadata: Any) -> Object:
    return {"metadata": {"name": name, **metadata}, "spec": {"runtimeRef": {"name": "r"}, "trainer": {"numNodes": 2}}}


def bind(client: Client, name: str = "p") -> None:
    client.raw(Request("POST", PODS.path(NS, name, "binding"), {}, b'{"target":{"kind":"Node","name":"n1"}}'))


def put(client: Client, resource: Resource, obj: Object, subresource: str | None = None) -> Object:
    metadata = obj["metadata"]
    path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
    answer: Object = json.loads(client.raw(Request("PUT", path, {}, json.dumps(obj).encode())).read())
    return answer


def delete(client: Client, resource: Resource, name: str, **options: Any) -> Object:
    namespace = NS if resource.namespaced else None
    request = Request("DELETE", resource.path(namespace, name), {}, json.dumps(options).encode())
    answer: Object = json.loads(client.raw(request).read())
    return answer


class TestCreate:
    def test_a_new_object_gets_its_identity(self, client: Client) -> None:
        made = client.create(TRAINJOBS, {**trainjob(uid="mine", generation=7), "status": {"x": 1}}, namespace=NS)
        metadata = made["metadata"]
        assert metadata["uid"] != "mine"
        assert (metadata["generation"], metadata["namespace"]) == (1, NS)
        assert metadata["creationTimestamp"].endswith("Z")
        assert "status" not in made
        assert client.get(TRAINJOBS, "t", namespace=NS) == made

    def test_generated_names_end_with_five_characters(self, client: Client) -> None:
        obj = {"metadata": {"generateName": "c-"}}
        names = {client.create(CONFIGMAPS, obj, namespace=NS)["metadata"]["name"] for _ in range(3)}
        assert len(names) == 3
        assert {len(name) for name in names} == {7}

    def test_a_name_is_taken_once(self, client: Client) -> None:
        client.create(PODS, pod(), namespace=NS)
        with pytest.raises(errors.AlreadyExists, match='pods "p" already exists'):
            client.create(PODS, pod(), namespace=NS)

    def test_a_dry_run_stores_nothing(self, core: Core, store: Store) -> None:
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
            ({"metadata": {"name": "a"}, "kind": "Secret"}, 400, "does not match the expected kind"),
            ({"metadata": {"name": "a"}, "data": {"k": "x" * (1 << 20), "l": "y"}}, 422, "may not be more than"),
        ],
    )
    def test_what_is_wrong_is_refused(self, client: Client, obj: Object, code: int, words: str) -> None:
        with pytest.raises(errors.ApiError, match=words) as caught:
            client.create(CONFIGMAPS, obj, namespace=NS)
        assert caught.value.code == code

    def test_namespaces_must_exist(self, client: Client) -> None:
        with pytest.raises(errors.NotFound, match='namespaces "none" not found'):
            client.create(PODS, pod(), namespace="none")

    def test_broken_rules_of_a_kind_are_named(self, client: Client) -> None:
        with pytest.raises(errors.Invalid) as caught:
            client.create(TRAINJOBS, {"metadata": {"name": "t"}, "spec": {}}, namespace=NS)
        assert caught.value.status["details"]["causes"][0]["field"] == "spec.runtimeRef"

    def test_unknown_fields_are_refused_when_asked_to_be_strict(self, core: Core) -> None:
        obj = {"apiVersion": TRAINJOBS.api_version, "kind": "TrainJob", **trainjob()}
        obj["spec"]["trainer"]["numNode"] = 3
        strict = core.send(Request("POST", TRAINJOBS.path(NS), {"fieldValidation": "Strict"}, json.dumps(obj).encode()))
        assert strict.status == 400
        assert b'unknown field \\"spec.trainer.numNode\\"' in strict.read()
        assert core.send(Request("POST", TRAINJOBS.path(NS), {}, json.dumps(obj).encode())).status == 201

    def test_string_data_of_secrets_becomes_data(self, client: Client) -> None:
        made = client.create(SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "b"}}, namespace=NS)
        assert (made["data"], made["type"], "stringData" in made) == ({"a": "Yg=="}, "Opaque", False)

    def test_yaml_is_understood(self, core: Core) -> None:
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
    def test_bodies_that_cannot_be_read_are_refused(
        self, core: Core, body: bytes, content_type: str, code: int
    ) -> None:
        assert core.send(Request("POST", CONFIGMAPS.path(NS), {}, body, content_type=content_type)).status == code


class TestUpdate:
    def test_generation_counts_wishes_not_status_or_metadata(self, client: Client) -> None:
        client.create(TRAINJOBS, trainjob(), namespace=NS)

        def patched(patch: Object, subresource: str | None = None) -> int:
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

    def test_a_write_that_changes_nothing_keeps_the_version(self, client: Client, store: Store) -> None:
        made = client.create(PODS, pod(), namespace=NS)
        assert client.patch(PODS, "p", {"metadata": {"labels": {}}}, namespace=NS)["metadata"]["uid"]
        before = store.version
        same = client.get(PODS, "p", namespace=NS)
        assert put(client, PODS, same) == same
        assert (store.version, made["metadata"]["uid"]) == (before, same["metadata"]["uid"])

    def test_an_older_version_is_a_conflict_for_put_and_patch(self, client: Client) -> None:
        old = client.create(PODS, pod(), namespace=NS)
        client.patch(PODS, "p", {"metadata": {"labels": {"a": "b"}}}, namespace=NS)
        version = old["metadata"]["resourceVersion"]
        with pytest.raises(errors.Conflict, match="the object has been modified"):
            client.patch(PODS, "p", {"metadata": {"resourceVersion": version, "labels": {"c": "d"}}}, namespace=NS)
        with pytest.raises(errors.Conflict):
            put(client, PODS, old)
        with pytest.raises(errors.Conflict, match="UID in precondition"):
            client.patch(PODS, "p", {"metadata": {"uid": "other"}}, namespace=NS)

    def test_a_put_without_a_version_is_for_kinds_of_kubernetes_only(self, client: Client) -> None:
        for resource, obj in ((PODS, pod()), (TRAINJOBS, trainjob())):
            client.create(resource, obj, namespace=NS)
        found = client.get(PODS, "p", namespace=NS)
        del found["metadata"]["resourceVersion"]
        found["metadata"]["labels"] = {"a": "b"}
        assert put(client, PODS, found)["metadata"]["labels"] == {"a": "b"}
        custom = client.get(TRAINJOBS, "t", namespace=NS)
        del custom["metadata"]["resourceVersion"]
        with pytest.raises(errors.Invalid, match="must be specified for an update"):
            put(client, TRAINJOBS, custom)

    def test_what_the_server_owns_cannot_be_changed(self, client: Client) -> None:
        made = client.create(PODS, pod(), namespace=NS)
        patch: Object = {"creationTimestamp": None, "generation": 9, "selfLink": "x", "managedFields": []}
        changed = client.patch(PODS, "p", {"metadata": {**patch, "annotations": {"a": "b"}}}, namespace=NS)
        expected = {**made["metadata"], "annotations": {"a": "b"}}
        expected["resourceVersion"] = changed["metadata"]["resourceVersion"]
        assert changed["metadata"] == expected

    @pytest.mark.parametrize("field", ["name", "namespace"])
    def test_names_cannot_be_changed(self, client: Client, field: str) -> None:
        client.create(PODS, pod(), namespace=NS)
        with pytest.raises(errors.BadRequest, match="does not match"):
            client.patch(PODS, "p", {"metadata": {field: "other"}}, namespace=NS)

    def test_a_missing_object_cannot_be_changed(self, client: Client) -> None:
        with pytest.raises(errors.NotFound):
            client.patch(PODS, "p", {}, namespace=NS)


class TestBinding:
    def test_a_pod_is_bound_once(self, client: Client) -> None:
        client.create(PODS, pod(), namespace=NS)
        bind(client)
        found = client.get(PODS, "p", namespace=NS)
        assert found["spec"]["nodeName"] == "n1"
        assert [(each["type"], each["status"]) for each in found["status"]["conditions"]] == [("PodScheduled", "True")]
        with pytest.raises(errors.Conflict, match='already assigned to node "n1"'):
            bind(client)


class TestDelete:
    def test_an_unbound_pod_is_gone_at_once(self, client: Client) -> None:
        client.create(PODS, pod(), namespace=NS)
        delete(client, PODS, "p")
        assert client.find(PODS, "p", namespace=NS) is None

    def test_a_bound_pod_waits_for_its_node(self, client: Client) -> None:
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

    def test_a_finished_pod_is_gone_at_once(self, client: Client) -> None:
        client.create(PODS, pod(), namespace=NS)
        bind(client)
        client.patch(PODS, "p", {"status": {"phase": "Failed"}}, namespace=NS, subresource="status")
        delete(client, PODS, "p")
        assert client.find(PODS, "p", namespace=NS) is None

    def test_finalizers_hold_an_object_until_the_last_is_removed(self, client: Client) -> None:
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
    def test_propagation_is_left_to_the_garbage_collector(
        self, client: Client, policy: str, finalizers: list[str] | None
    ) -> None:
        client.create(TRAINJOBS, trainjob(), namespace=NS)
        delete(client, TRAINJOBS, "t", propagationPolicy=policy)
        found = client.find(TRAINJOBS, "t", namespace=NS)
        assert (found and found["metadata"]["finalizers"]) == finalizers

    def test_an_unknown_propagation_policy_is_refused(self, client: Client) -> None:
        client.create(CONFIGMAPS, {"metadata": {"name": "c"}}, namespace=NS)
        with pytest.raises(errors.Invalid, match="propagationPolicy"):
            delete(client, CONFIGMAPS, "c", propagationPolicy="Sideways")

    def test_preconditions_protect_another_object_of_that_name(self, client: Client) -> None:
        client.create(CONFIGMAPS, {"metadata": {"name": "c"}}, namespace=NS)
        for wanted in ({"uid": "other"}, {"resourceVersion": "1"}):
            with pytest.raises(errors.Conflict, match="Precondition failed"):
                delete(client, CONFIGMAPS, "c", preconditions=wanted)

    def test_a_collection_is_deleted_by_selector(self, core: Core, client: Client) -> None:
        for name, team in (("a", "red"), ("b", "blue"), ("c", "red")):
            client.create(CONFIGMAPS, {"metadata": {"name": name, "labels": {"team": team}}}, namespace=NS)
        core.send(Request("DELETE", CONFIGMAPS.path(NS), {"labelSelector": "team=red"}))
        assert [obj["metadata"]["name"] for obj in client.list(CONFIGMAPS).items] == ["b"]

    def test_a_dry_run_deletes_nothing(self, client: Client) -> None:
        client.create(CONFIGMAPS, {"metadata": {"name": "c"}}, namespace=NS)
        delete(client, CONFIGMAPS, "c", dryRun=["All"])
        assert client.find(CONFIGMAPS, "c", namespace=NS) is not None

    def test_a_namespace_is_gone_when_it_is_finalized(self, client: Client) -> None:
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
    def test_the_first_namespaces_stay(self, client: Client, name: str) -> None:
        with pytest.raises(errors.Forbidden, match="may not be deleted"):
            delete(client, NAMESPACES, name)


def _job() -> Object:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": "j"}, "spec": {"template": template}}
