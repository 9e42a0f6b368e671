"""Updates of objects by merge patch, JSON patch and PUT, and conflicts between them."""

from __future__ import annotations

import threading

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, JOBS, SERVICES, TRAINJOBS, KubeObject
from tests.waiting import patience

from .server import JSON_PATCH, Server, job, trainjob


def test_a_merge_patch_merges_objects_removes_nulls_and_replaces_lists(server: Server) -> None:
    command = {"trainer": {"command": ["a", "b"], "numNodes": 1}}
    server.create(TRAINJOBS, trainjob("t", **command))
    patched = server.patch(TRAINJOBS, "t", {"metadata": {"labels": {"x": "1", "y": "2"}}})
    assert patched["metadata"]["labels"] == {"x": "1", "y": "2"}
    patched = server.patch(TRAINJOBS, "t", {"metadata": {"labels": {"x": None, "z": "3"}}})
    assert patched["metadata"]["labels"] == {"y": "2", "z": "3"}
    server.create(CONFIGMAPS, {"metadata": {"name": "c", "finalizers": ["a.org/a", "a.org/b"]}})
    replaced = server.patch(CONFIGMAPS, "c", {"metadata": {"finalizers": ["a.org/c"]}})
    assert replaced["metadata"]["finalizers"] == ["a.org/c"]
    server.patch(CONFIGMAPS, "c", {"metadata": {"finalizers": None}})
    assert "finalizers" not in server.get(CONFIGMAPS, "c")["metadata"]


def test_a_patch_returns_what_it_stored(server: Server) -> None:
    before = server.configmap("a", x="1")
    after = server.patch(CONFIGMAPS, "a", {"data": {"y": "2"}})
    assert after == server.get(CONFIGMAPS, "a")
    assert after["data"] == {"x": "1", "y": "2"}
    assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])


def test_patch_of_a_missing_object_is_not_found(server: Server) -> None:
    with pytest.raises(errors.NotFound):
        server.patch(CONFIGMAPS, "absent", {"data": {}})


def test_a_patch_with_the_current_version_succeeds_and_with_an_old_one_conflicts(server: Server) -> None:
    configmap = server.configmap("a")
    version = configmap["metadata"]["resourceVersion"]
    server.patch(CONFIGMAPS, "a", {"metadata": {"resourceVersion": version}, "data": {"k": "1"}})
    with pytest.raises(errors.Conflict) as caught:
        server.patch(CONFIGMAPS, "a", {"metadata": {"resourceVersion": version}, "data": {"k": "2"}})
    status = caught.value.status
    assert (status["code"], status["reason"], status["details"]["name"]) == (409, "Conflict", "a")
    assert "the object has been modified" in status["message"]
    assert not isinstance(caught.value, errors.AlreadyExists)
    assert server.get(CONFIGMAPS, "a")["data"] == {"k": "1"}


def test_a_patch_of_the_uid_is_refused(server: Server) -> None:
    server.configmap("a")
    answer = server.merge(CONFIGMAPS, "a", {"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}})
    assert (answer.status, answer.body["reason"]) in {(422, "Invalid"), (409, "Conflict")}


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ({"name": "b"}, 400),
        ({"namespace": "default"}, 400),
        ({"creationTimestamp": "2000-01-01T00:00:00Z"}, 200),
        ({"generation": 99}, 200),
        ({"deletionTimestamp": "2000-01-01T00:00:00Z"}, 422),
    ],
    ids=["name", "namespace", "creation time", "generation", "deletion time"],
)
def test_identity_and_server_fields_do_not_change_by_patch(server: Server, metadata: KubeObject, status: int) -> None:
    created = server.create(TRAINJOBS, trainjob("a"))
    assert server.merge(TRAINJOBS, "a", {"metadata": metadata}).status == status
    now = server.get(TRAINJOBS, "a")["metadata"]
    for key in ("name", "namespace", "uid", "creationTimestamp", "generation"):
        assert now[key] == created["metadata"][key]
    assert "deletionTimestamp" not in now


def test_labels_and_annotations_change_without_a_new_generation(server: Server) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    changed = server.patch(TRAINJOBS, "t", {"metadata": {"labels": {"a": "b"}, "annotations": {"x.org/c": "d"}}})
    assert changed["metadata"]["labels"] == {"a": "b"}
    assert changed["metadata"]["annotations"] == {"x.org/c": "d"}
    assert changed["metadata"]["generation"] == 1
    assert server.merge(TRAINJOBS, "t", {"metadata": {"labels": {"bad key": "x"}}}).status == 422


def test_change_of_the_spec_increments_the_generation(server: Server) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    assert server.patch(TRAINJOBS, "t", {"spec": {"suspend": True}})["metadata"]["generation"] == 2
    assert server.patch(TRAINJOBS, "t", {"spec": {"suspend": True}})["metadata"]["generation"] == 2
    server.create(JOBS, job("j"))
    assert server.patch(JOBS, "j", {"spec": {"suspend": True}})["metadata"]["generation"] == 2


def test_a_json_patch_adds_replaces_tests_moves_copies_and_removes(server: Server) -> None:
    server.configmap("a", one="1", two="2")
    operations: list[KubeObject] = [
        {"op": "test", "path": "/data/one", "value": "1"},
        {"op": "replace", "path": "/data/one", "value": "uno"},
        {"op": "add", "path": "/data/three", "value": "3"},
        {"op": "copy", "from": "/data/three", "path": "/data/four"},
        {"op": "move", "from": "/data/two", "path": "/data/due"},
        {"op": "remove", "path": "/data/three"},
        {"op": "add", "path": "/metadata/labels", "value": {"x.org~1y": "z"}},
        {"op": "add", "path": "/metadata/labels/a.org~1b", "value": "c"},
        {"op": "remove", "path": "/metadata/labels/x.org~01y"},
    ]
    answer = server.send("PATCH", server.path(CONFIGMAPS, "a"), operations, content_type=JSON_PATCH)
    assert answer.status == 200
    assert answer.body["data"] == {"one": "uno", "four": "3", "due": "2"}
    assert answer.body["metadata"]["labels"] == {"a.org/b": "c"}


def test_a_json_patch_inserts_into_lists(server: Server) -> None:
    server.create(CONFIGMAPS, {"metadata": {"name": "a", "finalizers": ["a.org/a"]}})
    operations = [
        {"op": "add", "path": "/metadata/finalizers/0", "value": "a.org/first"},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "a.org/last"},
    ]
    answer = server.send("PATCH", server.path(CONFIGMAPS, "a"), operations, content_type=JSON_PATCH)
    assert answer.body["metadata"]["finalizers"] == ["a.org/first", "a.org/a", "a.org/last"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/one", "value": "2"},
        {"op": "replace", "path": "/data/absent/deeper", "value": "2"},
        {"op": "remove", "path": "/data/absent"},
    ],
    ids=["a test", "a replace", "a remove"],
)
def test_inapplicable_json_patch_is_invalid_and_changes_nothing(server: Server, operation: KubeObject) -> None:
    configmap = server.configmap("a", one="1")
    operations = [{"op": "add", "path": "/data/two", "value": "2"}, operation]
    answer = server.send("PATCH", server.path(CONFIGMAPS, "a"), operations, content_type=JSON_PATCH)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert server.get(CONFIGMAPS, "a") == configmap


def test_a_patch_that_is_no_patch_is_a_bad_request(server: Server) -> None:
    server.configmap("a")
    path = server.path(CONFIGMAPS, "a")
    assert server.send("PATCH", path, b"{", content_type="application/merge-patch+json").status == 400
    assert server.send("PATCH", path, b'{"op":"add"}', content_type=JSON_PATCH).status == 400


def test_a_put_replaces_the_whole_object(server: Server) -> None:
    configmap = server.configmap("a", labels={"x": "y"}, one="1")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"two": "2"}}
    body["metadata"] = {"name": "a", "resourceVersion": configmap["metadata"]["resourceVersion"]}
    answer = server.send("PUT", server.path(CONFIGMAPS, "a"), body)
    assert answer.status == 200
    assert answer.body["data"] == {"two": "2"}
    assert "labels" not in answer.body["metadata"]
    for key in ("uid", "creationTimestamp"):
        assert answer.body["metadata"][key] == configmap["metadata"][key]


def test_a_put_with_a_stale_version_conflicts(server: Server) -> None:
    stale = server.configmap("a")
    server.patch(CONFIGMAPS, "a", {"data": {"k": "v"}})
    answer = server.send("PUT", server.path(CONFIGMAPS, "a"), stale)
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")


def test_a_put_without_a_version_overwrites_kubernetes_kinds_but_not_custom_ones(server: Server) -> None:
    server.configmap("a")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    assert server.send("PUT", server.path(CONFIGMAPS, "a"), body).body["data"] == {"k": "v"}
    server.create(TRAINJOBS, trainjob("t"))
    custom = {"apiVersion": TRAINJOBS.api_version, "kind": "TrainJob", **trainjob("t")}
    answer = server.send("PUT", server.path(TRAINJOBS, "t"), custom)
    assert answer.status == 422
    assert "metadata.resourceVersion" in answer.body["message"]


def test_put_of_another_object_than_that_of_the_path_is_rejected(server: Server) -> None:
    configmap = server.configmap("a")
    renamed = {**configmap, "metadata": {**configmap["metadata"], "name": "b"}}
    assert server.send("PUT", server.path(CONFIGMAPS, "a"), renamed).status == 400
    assert (
        server.send("PUT", server.path(CONFIGMAPS, "absent"), {**configmap, "metadata": {"name": "absent"}}).status
        == 404
    )


def test_exactly_one_concurrent_patch_of_a_version_succeeds(server: Server) -> None:
    configmap = server.configmap("a", winner="")
    version = configmap["metadata"]["resourceVersion"]
    barrier = threading.Barrier(8)
    answers: dict[int, int] = {}

    def patch(number: int) -> None:
        barrier.wait(patience(60))
        change = {"metadata": {"resourceVersion": version}, "data": {"winner": str(number)}}
        answers[number] = server.merge(CONFIGMAPS, "a", change).status

    threads = [threading.Thread(target=patch, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [200] + [409] * 7
    winner = next(number for number, status in answers.items() if status == 200)
    assert server.get(CONFIGMAPS, "a")["data"] == {"winner": str(winner)}


def test_concurrent_patches_without_a_version_all_succeed(server: Server) -> None:
    server.configmap("a")
    answers: list[int] = []

    def patch(number: int) -> None:
        answers.append(server.merge(CONFIGMAPS, "a", {"data": {f"k{number}": "v"}}).status)

    threads = [threading.Thread(target=patch, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert sorted(server.get(CONFIGMAPS, "a")["data"]) == [f"k{number}" for number in range(8)]


def test_a_strategic_merge_patch_merges_lists_by_their_keys(server: Server) -> None:
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    server.create(
        SERVICES, {"metadata": {"name": "s"}, "spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": ports}}
    )
    change = {"spec": {"ports": [{"port": 2, "name": "c"}, {"port": 1, "$patch": "delete"}]}}
    answer = server.send(
        "PATCH", server.path(SERVICES, "s"), change, content_type="application/strategic-merge-patch+json"
    )
    assert answer.status == 200
    assert [(port["name"], port["port"]) for port in answer.body["spec"]["ports"]] == [("c", 2)]


def test_strategic_merge_patch_orders_elements_by_the_patch_and_the_object(server: Server) -> None:
    server.create(
        CONFIGMAPS, {"metadata": {"name": "s", "finalizers": ["example.com/a", "example.com/b", "example.com/c"]}}
    )
    change = {"metadata": {"finalizers": ["example.com/d", "example.com/b"]}}
    answer = server.send(
        "PATCH", server.path(CONFIGMAPS, "s"), change, content_type="application/strategic-merge-patch+json"
    )
    finalizers = [name.removeprefix("example.com/") for name in answer.body["metadata"]["finalizers"]]
    assert finalizers == ["d", "a", "b", "c"]
    server.merge(CONFIGMAPS, "s", {"metadata": {"finalizers": None}})


def test_template_of_a_job_is_immutable_and_its_parallelism_is_mutable(server: Server) -> None:
    server.create(JOBS, job("j"))
    image = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "other"}]}}}}
    answer = server.merge(JOBS, "j", image)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert server.merge(JOBS, "j", {"spec": {"completions": 3}}).status == 422
    assert server.merge(JOBS, "j", {"spec": {"parallelism": 2}}).status == 200
