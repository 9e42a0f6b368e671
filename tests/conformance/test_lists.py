"""Lists: consistency, pages and selectors."""

from __future__ import annotations

import threading

import pytest

from jupyter_trainjob.api.resources import CONFIGMAPS, NAMESPACES, PODS, SECRETS, TRAINJOBS

from .server import Server, pod, trainjob


def test_a_list_has_kind_version_and_items(server: Server) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    body = server.send("GET", server.path(TRAINJOBS)).body
    assert (body["kind"], body["apiVersion"]) == ("TrainJobList", "trainer.kubeflow.org/v1alpha1")
    assert [item["metadata"]["name"] for item in body["items"]] == ["t"]
    assert int(body["metadata"]["resourceVersion"]) > 0


def test_empty_list_has_kind_version_and_no_items(server: Server) -> None:
    body = server.send("GET", server.path(SECRETS)).body
    assert (body["kind"], body["items"]) == ("SecretList", [])
    assert int(body["metadata"]["resourceVersion"]) > 0


def test_items_are_ordered_by_name(server: Server) -> None:
    for name in ("b", "c", "a", "a-1", "a.0"):
        server.configmap(name)
    assert server.names(CONFIGMAPS) == ["a", "a-1", "a.0", "b", "c"]


def test_list_across_namespaces_has_the_objects_of_all(server: Server) -> None:
    other = f"z-{server.namespace}"
    server.client.create(NAMESPACES, {"metadata": {"name": other}})
    mark = {"mark": server.namespace}
    server.configmap("a", labels=mark)
    server.client.create(CONFIGMAPS, {"metadata": {"name": "b", "labels": mark}}, namespace=other)
    items = server.client.list(CONFIGMAPS, labels=f"mark={server.namespace}").items
    assert [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items] == [
        (server.namespace, "a"),
        (other, "b"),
    ]


def test_version_of_a_list_is_at_least_the_newest_that_it_contains(server: Server) -> None:
    first = server.configmap("a")
    before = server.client.list(CONFIGMAPS, namespace=server.namespace)
    second = server.configmap("b")
    after = server.client.list(CONFIGMAPS, namespace=server.namespace)
    assert int(first["metadata"]["resourceVersion"]) <= int(before.resource_version)
    assert int(before.resource_version) < int(second["metadata"]["resourceVersion"]) <= int(after.resource_version)


def test_versions_increase_across_kinds(server: Server) -> None:
    versions = [
        int(created["metadata"]["resourceVersion"])
        for created in (
            server.configmap("a"),
            server.create(SECRETS, {"metadata": {"name": "a"}}),
            server.create(TRAINJOBS, trainjob("a")),
            server.patch(CONFIGMAPS, "a", {"data": {"a": "b"}}),
        )
    ]
    assert versions == sorted(set(versions))


def test_list_is_one_snapshot_during_writes(server: Server) -> None:
    # Each round writes a before b: no list may show b ahead of a.
    for name in ("a", "b"):
        server.configmap(name, round="0")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            for name in ("a", "b"):
                server.patch(CONFIGMAPS, name, {"data": {"round": str(number)}})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            a, b = server.client.list(CONFIGMAPS, namespace=server.namespace).items
            assert int(a["data"]["round"]) - int(b["data"]["round"]) in {0, 1}
    finally:
        stop.set()
        writer.join()


@pytest.fixture
def labelled(server: Server) -> Server:
    server.configmap("a", labels={"tier": "front", "env": "prod"})
    server.configmap("b", labels={"tier": "back", "env": "prod"})
    server.configmap("c", labels={"tier": "back"})
    server.configmap("d")
    return server


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=front", "a"),
        ("tier==back", "bc"),
        ("tier=back,env=prod", "b"),
        ("tier!=back", "ad"),
        ("tier", "abc"),
        ("!env", "cd"),
        ("tier in (front, back)", "abc"),
        ("tier in (front)", "a"),
        ("tier notin (front)", "bcd"),
        ("tier notin (front,back),!env", "d"),
        ("env,tier notin (front)", "b"),
        ("tier=", ""),
        ("tier in (front,)", "a"),
        ("absent", ""),
        ("", "abcd"),
    ],
)
def test_label_selector_filters(labelled: Server, selector: str, expected: str) -> None:
    assert "".join(labelled.names(CONFIGMAPS, labels=selector)) == expected


@pytest.mark.parametrize(
    "selector", ["tier in front", "tier in (", "=x", "a b", "tier=bad value", "!", "bad key in (a)"]
)
def test_invalid_label_selector_is_a_bad_request(server: Server, selector: str) -> None:
    answer = server.send("GET", server.path(CONFIGMAPS), query={"labelSelector": selector})
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=a", "a"),
        ("metadata.name==a", "a"),
        ("metadata.name!=a", "b"),
        ("metadata.name=a,metadata.name=b", ""),
        ("metadata.namespace=elsewhere", ""),
    ],
)
def test_field_selector_filters_by_name_and_namespace(server: Server, selector: str, expected: str) -> None:
    server.configmap("a")
    server.configmap("b")
    server.create(TRAINJOBS, trainjob("a"))
    server.create(TRAINJOBS, trainjob("b"))
    assert "".join(server.names(CONFIGMAPS, fields=selector)) == expected
    assert "".join(server.names(TRAINJOBS, fields=selector)) == expected


def test_pods_are_found_by_node_and_phase(server: Server) -> None:
    for name in ("a", "b", "c"):
        server.create(PODS, pod(name))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "b"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
    }
    assert server.send("POST", server.path(PODS, "b", "binding"), binding).status == 201
    server.patch(PODS, "b", {"status": {"phase": "Running"}}, subresource="status")
    assert server.names(PODS, fields="spec.nodeName=n1") == ["b"]
    assert server.names(PODS, fields="spec.nodeName=") == ["a", "c"]
    assert server.names(PODS, fields="status.phase=Running") == ["b"]
    assert server.names(PODS, fields="spec.nodeName!=n1,status.phase!=Running") == ["a", "c"]


def test_an_unknown_field_in_a_selector_is_a_bad_request(server: Server) -> None:
    for resource in (PODS, CONFIGMAPS, TRAINJOBS):
        answer = server.send("GET", server.path(resource), query={"fieldSelector": "spec.nonsense=x"})
        assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


def test_pages_of_a_list_show_the_version_of_the_first_page(server: Server) -> None:
    for name in "abcde":
        server.configmap(name)
    names: list[str] = []
    versions: set[str] = set()
    query = {"limit": "2"}
    pieces = 0
    while True:
        body = server.send("GET", server.path(CONFIGMAPS), query=query).body
        names += [item["metadata"]["name"] for item in body["items"]]
        versions.add(body["metadata"]["resourceVersion"])
        pieces += 1
        if pieces == 1:
            server.configmap("f")  # after the view was taken
            assert body["metadata"]["remainingItemCount"] == 3
        if not body["metadata"].get("continue"):
            break
        query = {"limit": "2", "continue": body["metadata"]["continue"]}
    assert names == list("abcde")
    assert (pieces, len(versions)) == (3, 1)


def test_unreached_limit_gives_no_continue_token(server: Server) -> None:
    server.configmap("a")
    body = server.send("GET", server.path(CONFIGMAPS), query={"limit": "500"}).body
    assert len(body["items"]) == 1
    assert not body["metadata"].get("continue")


def test_a_forged_continue_token_is_a_bad_request(server: Server) -> None:
    answer = server.send("GET", server.path(CONFIGMAPS), query={"limit": "1", "continue": "forged"})
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("version", ["", "0"])
def test_list_at_any_version_includes_written_objects(server: Server, version: str) -> None:
    server.configmap("a")
    answer = server.send("GET", server.path(CONFIGMAPS), query={"resourceVersion": version})
    assert answer.status == 200
    # "0" may be served from a cache that is behind, but never from nothing.
    assert [item["metadata"]["name"] for item in answer.body["items"]] in (["a"], [])


def test_a_list_not_older_than_a_version_contains_its_write(server: Server) -> None:
    version = server.configmap("a")["metadata"]["resourceVersion"]
    answer = server.send("GET", server.path(CONFIGMAPS), query={"resourceVersion": version})
    assert [item["metadata"]["name"] for item in answer.body["items"]] == ["a"]
