"""Watches: every change after a version, once, in order, and filtered by the selector."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, TRAINJOBS, KubeObject, Resource
from jupyter_trainjob.kube.client import WatchEvent
from jupyter_trainjob.kube.transport import Request
from tests.waiting import patience

from .server import Server, trainjob

PATIENCE = 10
"""Seconds after which a watch that says nothing is ended, so that a test fails instead of hanging."""


@contextmanager
def watching(
    server: Server,
    *,
    since: str,
    resource: Resource = CONFIGMAPS,
    labels: str | None = None,
    fields: str | None = None,
) -> Iterator[Iterator[WatchEvent]]:
    """Yield the events of a watch in the test's namespace, without bookmarks."""
    watch = server.client.watch(
        resource,
        resource_version=since,
        namespace=server.namespace,
        labels=labels,
        fields=fields,
        timeout_seconds=PATIENCE,
    )
    try:
        yield (event for event in watch if event.type != "BOOKMARK")
    finally:
        watch.close()


def take(events: Iterator[WatchEvent], number: int) -> list[tuple[str, str]]:
    """Return type and name of the next events."""
    return [(event.type, event.object["metadata"]["name"]) for event in islice(events, number)]


def version(server: Server) -> str:
    """Return the current resource version."""
    return server.client.list(CONFIGMAPS, namespace=server.namespace).resource_version


def test_watch_has_every_change_after_its_version(server: Server) -> None:
    server.configmap("before")
    since = version(server)
    server.configmap("a")
    server.patch(CONFIGMAPS, "a", {"data": {"k": "v"}})
    server.client.delete(CONFIGMAPS, "a", namespace=server.namespace)
    with watching(server, since=since) as events:
        assert take(events, 3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_changes_arrive_while_the_watch_runs(server: Server) -> None:
    with watching(server, since=version(server)) as events:
        for name in ("a", "b", "c"):
            server.configmap(name)
            assert take(events, 1) == [("ADDED", name)]


def test_event_has_the_object_as_get_returns_it(server: Server) -> None:
    since = version(server)
    created = server.create(TRAINJOBS, trainjob("t"))
    with watching(server, since=since, resource=TRAINJOBS) as events:
        assert next(events).object == created == server.get(TRAINJOBS, "t")


def test_deleted_event_has_the_last_state_with_the_version_of_the_deletion(server: Server) -> None:
    configmap = server.configmap("a", k="v")
    since = version(server)
    server.client.delete(CONFIGMAPS, "a", namespace=server.namespace)
    with watching(server, since=since) as events:
        deleted = next(events)
    assert deleted.type == "DELETED"
    assert deleted.object["data"] == {"k": "v"}
    assert int(deleted.object["metadata"]["resourceVersion"]) > int(configmap["metadata"]["resourceVersion"])


@pytest.mark.parametrize("since", ["0", ""])
def test_watch_without_a_version_starts_with_existing_objects(server: Server, since: str) -> None:
    server.configmap("a")
    server.configmap("b")
    with watching(server, since=since) as events:
        assert sorted(take(events, 2)) == [("ADDED", "a"), ("ADDED", "b")]
        server.configmap("c")
        assert take(events, 1) == [("ADDED", "c")]


def test_a_watch_from_the_version_of_an_object_starts_after_it(server: Server) -> None:
    configmap = server.configmap("a")
    server.configmap("b")
    with watching(server, since=configmap["metadata"]["resourceVersion"]) as events:
        assert take(events, 1) == [("ADDED", "b")]


def test_watch_has_events_of_its_kind_and_namespace_only(server: Server) -> None:
    since = version(server)
    server.create(SECRETS, {"metadata": {"name": "other-kind"}})
    server.client.create(CONFIGMAPS, {"metadata": {"generateName": "other-namespace-"}}, namespace="default")
    server.configmap("mine")
    with watching(server, since=since) as events:
        assert take(events, 1) == [("ADDED", "mine")]


def test_watch_across_namespaces_has_events_of_all(server: Server) -> None:
    mark = {"mark": server.namespace}
    watch = server.client.watch(
        CONFIGMAPS, resource_version=version(server), labels=f"mark={server.namespace}", timeout_seconds=PATIENCE
    )
    try:
        server.configmap("a", labels=mark)
        created = server.client.create(
            CONFIGMAPS, {"metadata": {"generateName": "b-", "labels": mark}}, namespace="default"
        )
        events = (event for event in watch if event.type != "BOOKMARK")
        assert take(events, 2) == [("ADDED", "a"), ("ADDED", created["metadata"]["name"])]
    finally:
        watch.close()


def test_an_object_that_starts_or_stops_matching_is_added_or_deleted(server: Server) -> None:
    since = version(server)
    server.configmap("a", labels={"show": "no"})
    server.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"show": "yes"}}})
    server.patch(CONFIGMAPS, "a", {"data": {"k": "v"}})
    server.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"show": None}}})
    server.patch(CONFIGMAPS, "a", {"data": {"k": "w"}})
    server.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"show": "yes"}}})
    server.client.delete(CONFIGMAPS, "a", namespace=server.namespace)
    with watching(server, since=since, labels="show=yes") as events:
        assert [kind for kind, _ in take(events, 5)] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]


def test_object_that_stops_matching_has_its_old_value(server: Server) -> None:
    server.configmap("a", labels={"show": "yes"}, k="old")
    since = version(server)
    moved = server.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"show": "no"}}, "data": {"k": "new"}})
    with watching(server, since=since, labels="show=yes") as events:
        event = next(events)
    assert event.type == "DELETED"
    assert event.object["data"] == {"k": "old"}
    assert event.object["metadata"]["labels"] == {"show": "yes"}
    assert event.object["metadata"]["resourceVersion"] == moved["metadata"]["resourceVersion"]


def test_one_object_is_watched_by_its_name(server: Server) -> None:
    since = version(server)
    server.configmap("a")
    server.configmap("b")
    server.patch(CONFIGMAPS, "b", {"data": {"k": "v"}})
    with watching(server, since=since, fields="metadata.name=b") as events:
        assert take(events, 2) == [("ADDED", "b"), ("MODIFIED", "b")]


def test_write_without_changes_creates_no_event_and_no_version(server: Server) -> None:
    configmap = server.configmap("a", k="v")
    same = server.patch(CONFIGMAPS, "a", {"data": {"k": "v"}})
    assert same["metadata"]["resourceVersion"] == configmap["metadata"]["resourceVersion"]
    server.configmap("b")
    with watching(server, since=configmap["metadata"]["resourceVersion"]) as events:
        assert take(events, 1) == [("ADDED", "b")]


def test_watch_ends_at_its_timeout(server: Server) -> None:
    started = time.monotonic()
    watch = server.client.watch(
        CONFIGMAPS, resource_version=version(server), namespace=server.namespace, timeout_seconds=1
    )
    assert [event for event in watch if event.type != "BOOKMARK"] == []
    watch.close()
    assert time.monotonic() - started > 0.5


def test_bookmark_has_only_a_version(server: Server) -> None:
    # Kubernetes sends one as the end of a watch with a timeout comes near.
    watch = server.client.watch(
        CONFIGMAPS, resource_version=version(server), namespace=server.namespace, timeout_seconds=3
    )
    server.client.create(CONFIGMAPS, {"metadata": {"generateName": "unseen-"}}, namespace="default")
    bookmarks = [event.object for event in watch if event.type == "BOOKMARK"]
    watch.close()
    assert bookmarks
    for bookmark in bookmarks:
        assert (bookmark["kind"], bookmark["apiVersion"]) == ("ConfigMap", "v1")
        assert int(bookmark["metadata"]["resourceVersion"]) > 0
        assert "name" not in bookmark["metadata"]
    with watching(server, since=bookmarks[-1]["metadata"]["resourceVersion"]) as events:
        server.configmap("later")
        assert ("ADDED", "later") in take(events, 1)


def test_bookmarks_are_sent_only_on_request(server: Server) -> None:
    query = {"watch": "true", "resourceVersion": version(server), "timeoutSeconds": "2"}
    response = server.transport.send(Request("GET", server.path(CONFIGMAPS), query, stream=True), timeout=patience(60))
    assert response.read() == b""
    response.close()


def test_compacted_version_is_expired(server: Server) -> None:
    with pytest.raises(errors.Expired) as caught:
        # The refusal may be the answer or the first event.
        with watching(server, since=server.forget(), resource=TRAINJOBS) as events:
            next(events)
    assert caught.value.code == 410
    assert caught.value.reason in {"Expired", "Gone"}


def test_a_version_that_is_no_number_is_a_bad_request(server: Server) -> None:
    answer = server.send("GET", server.path(CONFIGMAPS), query={"watch": "true", "resourceVersion": "nonsense"})
    assert answer.status in {400, 422, 500}
    assert answer.body["kind"] == "Status"


def test_watch_has_200_writes_once_and_in_order(server: Server) -> None:
    since = version(server)
    objects: list[KubeObject] = []
    done = threading.Event()

    def watch() -> None:
        with watching(server, since=since) as events:
            for event in events:
                objects.append(event.object)
                if len(objects) == 200:
                    break
        done.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    written: list[str] = []
    for number in range(20):
        written.append(server.configmap(f"c{number}", n="0")["metadata"]["resourceVersion"])
        for n in range(1, 9):
            changed = server.patch(CONFIGMAPS, f"c{number}", {"data": {"n": str(n)}})
            written.append(changed["metadata"]["resourceVersion"])
        server.client.delete(CONFIGMAPS, f"c{number}", namespace=server.namespace)
    assert done.wait(PATIENCE)
    watcher.join()
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in objects]
    assert versions == sorted(set(versions))
    assert set(written) <= {obj["metadata"]["resourceVersion"] for obj in objects}
    assert [obj["data"]["n"] for obj in objects] == [*map(str, range(9)), "8"] * 20


def test_concurrent_writes_reach_every_watch_in_the_same_order(server: Server) -> None:
    since = version(server)
    threads = [
        threading.Thread(target=lambda n=n: [server.configmap(f"w{n}-{i}") for i in range(10)]) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    with watching(server, since=since) as one, watching(server, since=since) as two:
        first, second = take(one, 40), take(two, 40)
    for thread in threads:
        thread.join()
    assert first == second
    assert len(set(first)) == 40


def test_watch_parameter_streams_one_event_per_line(server: Server) -> None:
    query = {"watch": "1", "resourceVersion": version(server), "timeoutSeconds": str(PATIENCE)}
    response = server.transport.send(Request("GET", server.path(CONFIGMAPS), query, stream=True), timeout=patience(60))
    try:
        assert response.status == 200
        assert response.headers["content-type"].startswith("application/json")
        server.configmap("a")
        line = next(iter(response))
        assert line.endswith(b"\n")
        assert set(json.loads(line)) == {"type", "object"}
    finally:
        response.close()


def test_closing_a_watch_from_another_thread_ends_it(server: Server) -> None:
    watch = server.client.watch(CONFIGMAPS, resource_version=version(server), namespace=server.namespace)
    ended = threading.Event()

    def read() -> None:
        for _ in watch:
            pass
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    watch.close()
    assert ended.wait(patience(60))
    reader.join()
