"""Creation and reading of objects: server-set fields, stored fields, and validation."""

from __future__ import annotations

import re
import threading

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, EVENTS, JOBS, NAMESPACES, PODS, SECRETS, SERVICES, TRAINJOBS
from tests.waiting import patience

from .server import JSON_PATCH, Server, job, pod, trainjob

UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_a_created_object_gets_its_metadata_from_the_server(server: Server) -> None:
    created = server.configmap("a", key="value")
    metadata = created["metadata"]
    assert (created["kind"], created["apiVersion"]) == ("ConfigMap", "v1")
    assert created["data"] == {"key": "value"}
    assert (metadata["name"], metadata["namespace"]) == ("a", server.namespace)
    assert UID.fullmatch(metadata["uid"])
    assert TIME.fullmatch(metadata["creationTimestamp"])
    assert int(metadata["resourceVersion"]) > 0
    assert {k: v for k, v in server.get(CONFIGMAPS, "a").items() if k != "metadata"} == {
        k: v for k, v in created.items() if k != "metadata"
    }


def test_create_answers_201_and_get_answers_200(server: Server) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    assert server.send("POST", server.path(CONFIGMAPS), body).status == 201
    assert server.send("GET", server.path(CONFIGMAPS, "a")).status == 200


def test_the_clients_uid_and_creation_time_are_ignored_on_create(server: Server) -> None:
    forged = {"name": "a", "uid": "forged", "creationTimestamp": "2000-01-01T00:00:00Z", "generation": 7}
    metadata = server.create(CONFIGMAPS, {"metadata": forged})["metadata"]
    assert metadata["uid"] != "forged"
    assert metadata["creationTimestamp"] > "2020"


def test_a_resource_version_must_not_be_set_on_create(server: Server) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": "5"}}
    answer = server.send("POST", server.path(CONFIGMAPS), body)
    assert answer.status in {400, 500}  # Kubernetes calls its own refusal an internal error
    assert "resourceVersion" in answer.body["message"]


def test_existing_name_is_already_exists(server: Server) -> None:
    server.configmap("a")
    with pytest.raises(errors.AlreadyExists) as caught:
        server.configmap("a")
    status = caught.value.status
    assert (status["kind"], status["status"], status["code"], status["reason"]) == (
        "Status",
        "Failure",
        409,
        "AlreadyExists",
    )
    assert status["details"] == {"name": "a", "kind": "configmaps"}
    assert status["message"] == 'configmaps "a" already exists'


def test_the_details_of_an_error_name_the_group(server: Server) -> None:
    with pytest.raises(errors.NotFound) as caught:
        server.get(TRAINJOBS, "absent")
    assert caught.value.status["details"] == {
        "name": "absent",
        "group": "trainer.kubeflow.org",
        "kind": "trainjobs",
    }
    assert caught.value.message == 'trainjobs.trainer.kubeflow.org "absent" not found'
    assert caught.value.status["apiVersion"] == "v1"
    assert caught.value.status["metadata"] == {}


def test_the_same_name_may_exist_once_per_namespace_and_kind(server: Server) -> None:
    server.configmap("same")
    server.create(SECRETS, {"metadata": {"name": "same"}})
    other = f"{server.namespace}-other"
    server.client.create(NAMESPACES, {"metadata": {"name": other}})
    server.client.create(CONFIGMAPS, {"metadata": {"name": "same"}}, namespace=other)
    uids = {server.client.get(CONFIGMAPS, "same", namespace=ns)["metadata"]["uid"] for ns in (server.namespace, other)}
    assert len(uids) == 2


def test_generate_name_creates_a_new_name_each_time(server: Server) -> None:
    names = {server.create(CONFIGMAPS, {"metadata": {"generateName": "run-"}})["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(re.fullmatch(r"run-[a-z0-9]{5}", name) for name in names)


def test_an_object_needs_a_name_or_a_prefix(server: Server) -> None:
    answer = server.send("POST", server.path(CONFIGMAPS), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert "name or generateName is required" in answer.body["message"]


@pytest.mark.parametrize(
    "name", ["Upper", "under_score", "-leading", "trailing-", "a..b", "x" * 254, "sp ace", "ünicode"]
)
def test_invalid_name_is_rejected(server: Server, name: str) -> None:
    answer = server.send(
        "POST", server.path(CONFIGMAPS), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    )
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    causes = answer.body["details"]["causes"]
    assert {cause["field"] for cause in causes} == {"metadata.name"}
    assert {cause["reason"] for cause in causes} == {"FieldValueInvalid"}


@pytest.mark.parametrize("name", ["a", "0", "a.b-c.d0", "x" * 253])
def test_valid_name_is_accepted(server: Server, name: str) -> None:
    server.configmap(name)


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"labels": {"bad key": "x"}}, "metadata.labels"),
        ({"labels": {"key": "bad value"}}, "metadata.labels"),
        ({"labels": {"key": "x" * 64}}, "metadata.labels"),
        ({"annotations": {"bad key": "x"}}, "metadata.annotations"),
    ],
    ids=["a label's key", "a label's value", "a long label", "an annotation's key"],
)
def test_invalid_labels_and_annotations_are_rejected(server: Server, metadata: dict[str, object], field: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}}
    answer = server.send("POST", server.path(CONFIGMAPS), body)
    assert answer.status == 422
    assert {cause["field"] for cause in answer.body["details"]["causes"]} == {field}


def test_the_namespace_of_an_object_must_be_that_of_the_request(server: Server) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    assert server.send("POST", server.path(CONFIGMAPS), body).status == 400


def test_an_unknown_namespace_is_not_found(server: Server) -> None:
    with pytest.raises(errors.NotFound) as caught:
        server.client.create(CONFIGMAPS, {"metadata": {"name": "a"}}, namespace="absent")
    assert caught.value.message == 'namespaces "absent" not found'
    assert server.client.list(CONFIGMAPS, namespace="absent").items == []


def test_kind_and_version_of_the_body_must_fit_the_path(server: Server) -> None:
    for wrong in ({"kind": "Secret", "apiVersion": "v1"}, {"kind": "ConfigMap", "apiVersion": "v2"}):
        answer = server.send("POST", server.path(CONFIGMAPS), {**wrong, "metadata": {"name": "a"}})
        assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b""], ids=["half", "a list", "a string", "nothing"])
def test_a_body_that_is_no_object_is_a_bad_request(server: Server, body: bytes) -> None:
    answer = server.send("POST", server.path(TRAINJOBS), body)
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


def test_dry_run_returns_the_object_and_stores_nothing(server: Server) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
    dry = {"dryRun": "All"}
    answer = server.send("POST", server.path(CONFIGMAPS), body, query=dry)
    assert answer.status == 201
    assert UID.fullmatch(answer.body["metadata"]["uid"])
    assert server.client.find(CONFIGMAPS, "a", namespace=server.namespace) is None
    stored = server.create(CONFIGMAPS, {**body})
    for method, change, content_type in (
        ("PATCH", {"data": {"k": "2"}}, "application/merge-patch+json"),
        ("PATCH", [{"op": "replace", "path": "/data/k", "value": "2"}], JSON_PATCH),
        ("PUT", {**body, "data": {"k": "2"}}, "application/json"),
        ("DELETE", None, "application/json"),
    ):
        done = server.send(method, server.path(CONFIGMAPS, "a"), change, query=dry, content_type=content_type)
        assert done.status == 200
        assert server.get(CONFIGMAPS, "a") == stored
    assert server.send("POST", server.path(CONFIGMAPS), body, query=dry).status == 409
    assert server.send("POST", server.path(CONFIGMAPS), body, query={"dryRun": "Some"}).status in {400, 422}


def test_owner_references_are_stored_unchanged(server: Server) -> None:
    owner = server.configmap("owner")
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    owned = server.create(CONFIGMAPS, {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    assert owned["metadata"]["ownerReferences"] == [reference]


def test_two_controllers_of_one_object_are_invalid(server: Server) -> None:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": n, "uid": f"{n}-uid", "controller": True} for n in ("a", "b")
    ]
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "ownerReferences": references}}
    answer = server.send("POST", server.path(CONFIGMAPS), body)
    assert answer.status == 422
    assert "Only one reference can have Controller set to true" in answer.body["message"]


def test_qualified_finalizers_are_kept_in_their_order(server: Server) -> None:
    finalizers = ["example.org/one", "example.org/two"]
    created = server.create(CONFIGMAPS, {"metadata": {"name": "a", "finalizers": finalizers}})
    assert created["metadata"]["finalizers"] == finalizers


def test_string_data_of_a_secret_becomes_data(server: Server) -> None:
    created = server.create(
        SECRETS, {"metadata": {"name": "s"}, "data": {"b": "Yg==", "c": "eA=="}, "stringData": {"a": "a", "c": "c"}}
    )
    assert created["data"] == {"a": "YQ==", "b": "Yg==", "c": "Yw=="}
    assert "stringData" not in created
    assert created["type"] == "Opaque"
    patched = server.patch(SECRETS, "s", {"stringData": {"b": "new"}})
    assert patched["data"]["b"] == "bmV3"
    assert "stringData" not in server.get(SECRETS, "s")


def test_a_secrets_data_must_be_base64_and_fit_a_mebibyte(server: Server) -> None:
    wrong = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "***"}}
    assert server.send("POST", server.path(SECRETS), wrong).status == 400
    large = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "x" * (1 << 20)}}
    assert server.send("POST", server.path(SECRETS), large).status == 201
    larger = {**large, "metadata": {"name": "t"}, "stringData": {"a": "x" * ((1 << 20) + 1)}}
    assert server.send("POST", server.path(SECRETS), larger).status == 422


def test_an_immutable_secret_keeps_its_data(server: Server) -> None:
    server.create(SECRETS, {"metadata": {"name": "s"}, "data": {"a": "YQ=="}, "immutable": True})
    assert server.merge(SECRETS, "s", {"data": {"a": "Yg=="}}).status == 422
    assert server.merge(SECRETS, "s", {"metadata": {"labels": {"a": "b"}}}).status == 200


def test_events_can_be_selected_by_involved_object(server: Server) -> None:
    about = {"kind": "TrainJob", "name": "j", "namespace": server.namespace, "uid": "u-1"}
    event = {
        "metadata": {"name": "j.1"},
        "involvedObject": about,
        "reason": "Started",
        "message": "It runs",
        "type": "Normal",
        "count": 1,
        "source": {"component": "test"},
    }
    created = server.create(EVENTS, event)
    assert {key: created[key] for key in event if key != "metadata"} == {
        k: v for k, v in event.items() if k != "metadata"
    }
    server.create(
        EVENTS, {**event, "metadata": {"name": "k.1"}, "involvedObject": {**about, "name": "k", "uid": "u-2"}}
    )
    assert server.names(EVENTS, fields="involvedObject.name=j") == ["j.1"]
    assert server.names(EVENTS, fields="involvedObject.uid=u-2,involvedObject.kind=TrainJob") == ["k.1"]
    assert server.names(EVENTS, fields="reason=Started,type=Normal") == ["j.1", "k.1"]


def test_an_events_object_must_be_of_its_namespace(server: Server) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
    }
    answer = server.send("POST", server.path(EVENTS), event)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")


def test_headless_service_is_stored(server: Server) -> None:
    service = {
        "metadata": {"name": "j"},
        "spec": {"clusterIP": "None", "selector": {"a": "b"}, "publishNotReadyAddresses": True},
    }
    created = server.create(SERVICES, service)
    assert created["spec"]["clusterIP"] == "None"
    assert created["spec"]["selector"] == {"a": "b"}
    assert created["spec"]["publishNotReadyAddresses"] is True


def test_one_of_concurrent_creates_of_a_name_succeeds(server: Server) -> None:
    answers: list[int] = []
    barrier = threading.Barrier(8)

    def create() -> None:
        barrier.wait(patience(60))
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
        answers.append(server.send("POST", server.path(CONFIGMAPS), body).status)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201] + [409] * 7


def test_kinds_with_a_spec_start_at_generation_1_and_others_have_none(server: Server) -> None:
    assert server.create(TRAINJOBS, trainjob("t"))["metadata"]["generation"] == 1
    assert server.create(JOBS, job("j"))["metadata"]["generation"] == 1
    assert "generation" not in server.configmap("c")["metadata"]


def test_jobs_and_pods_get_the_defaults_that_controllers_need(server: Server) -> None:
    created = server.create(JOBS, job("j"))
    spec = created["spec"]
    assert {key: spec[key] for key in ("parallelism", "completions", "backoffLimit", "completionMode", "suspend")} == {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
    }
    assert spec["selector"]["matchLabels"] == {"batch.kubernetes.io/controller-uid": created["metadata"]["uid"]}
    labels = spec["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "j"
    assert labels["batch.kubernetes.io/controller-uid"] == labels["controller-uid"] == created["metadata"]["uid"]
    pod_spec = server.create(PODS, pod("p"))["spec"]
    assert pod_spec["restartPolicy"] == "Always"
    assert pod_spec["terminationGracePeriodSeconds"] == 30
    container = pod_spec["containers"][0]
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "File"


def test_new_pod_is_pending(server: Server) -> None:
    assert server.create(PODS, pod("p"))["status"]["phase"] == "Pending"
