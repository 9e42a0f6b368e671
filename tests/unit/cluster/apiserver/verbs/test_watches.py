"""Watches: events, selectors, bookmarks and timeouts; a reconnecting client's copy converges to the store."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, PODS, KubeObject, Resource
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.client import Client, Watch, WatchEvent
from jupyter_trainjob.kube.transport import Request
from tests.waiting import patience

NS = "default"


def config(name: str, **labels: str) -> KubeObject:
    return {"metadata": {"name": name, "namespace": NS, "labels": labels}}


def changes(
    client: Client, since: str, *, labels: str | None = None, fields: str | None = None
) -> list[tuple[str, str]]:
    """Return type and name of the events of a watch so far."""
    return [(event.type, event.object["metadata"]["name"]) for event in until_now(client, since, labels, fields)]


def until_now(
    client: Client, since: str, labels: str | None = None, fields: str | None = None, resource: Resource = CONFIGMAPS
) -> Iterator[WatchEvent]:
    """Yield the events of a watch up to its first bookmark."""
    marker = client.list(resource).resource_version
    if int(since or 0) >= int(marker):
        return
    watch = client.watch(resource, resource_version=since, namespace=NS, labels=labels, fields=fields)
    try:
        for event in watch:
            if event.type != "BOOKMARK":
                yield event
            if int(event.object["metadata"]["resourceVersion"]) >= int(marker):
                return
    finally:
        watch.close()


def test_watch_sends_every_change_after_its_version_once(client: Client) -> None:
    client.create(CONFIGMAPS, config("before"))
    since = client.list(CONFIGMAPS).resource_version
    client.create(CONFIGMAPS, config("a"))
    client.patch(CONFIGMAPS, "a", {"data": {"x": "y"}}, namespace=NS)
    client.delete(CONFIGMAPS, "a", namespace=NS)
    assert changes(client, since) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


@pytest.mark.parametrize("version", ["", "0"])
def test_watch_without_a_version_begins_with_existing_objects(client: Client, version: str) -> None:
    client.create(CONFIGMAPS, config("a"))
    client.patch(CONFIGMAPS, "a", {"data": {"x": "y"}}, namespace=NS)
    events = until_now(client, version)
    first = next(events)
    assert (first.type, first.object["metadata"]["name"], first.object["data"]) == ("ADDED", "a", {"x": "y"})


def test_objects_entering_or_leaving_a_selector_are_added_or_deleted(client: Client) -> None:
    since = client.list(CONFIGMAPS).resource_version
    client.create(CONFIGMAPS, config("a", team="red"))
    client.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"team": "blue"}}}, namespace=NS)
    client.patch(CONFIGMAPS, "a", {"data": {"x": "1"}}, namespace=NS)
    client.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"team": "red"}}}, namespace=NS)
    client.delete(CONFIGMAPS, "a", namespace=NS)
    assert changes(client, since, labels="team=blue") == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert changes(client, since, labels="team=red") == [
        ("ADDED", "a"),
        ("DELETED", "a"),
        ("ADDED", "a"),
        ("DELETED", "a"),
    ]
    assert changes(client, since, labels="team=green") == []


def test_object_leaving_a_selector_has_its_old_value_and_new_version(client: Client) -> None:
    since = client.list(CONFIGMAPS).resource_version
    client.create(CONFIGMAPS, config("a", team="red"))
    moved = client.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"team": "blue"}}}, namespace=NS)
    last = list(until_now(client, since, labels="team=red"))[-1].object["metadata"]
    assert last["labels"] == {"team": "red"}
    assert last["resourceVersion"] == moved["metadata"]["resourceVersion"]


def test_watch_with_a_field_selector(client: Client) -> None:
    since = client.list(PODS).resource_version
    pod = {"metadata": {"name": "p", "namespace": NS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    client.create(PODS, pod)
    client.raw(Request("POST", PODS.path(NS, "p", "binding"), {}, b'{"target":{"name":"n1"}}'))
    client.patch(PODS, "p", {"status": {"phase": "Running"}}, namespace=NS, subresource="status")

    def event_types(fields: str) -> list[str]:
        return [event.type for event in until_now(client, since, fields=fields, resource=PODS)]

    assert event_types("spec.nodeName=n1") == ["ADDED", "MODIFIED"]
    assert event_types("spec.nodeName=") == ["ADDED", "DELETED"]
    assert event_types("status.phase!=Pending,metadata.name=p") == ["ADDED"]


def test_watch_of_a_compacted_version_ends_with_410(client: Client, store: Store) -> None:
    since = client.list(CONFIGMAPS).resource_version
    for _ in range(3):
        client.create(CONFIGMAPS, config("a"))
        client.delete(CONFIGMAPS, "a", namespace=NS)
    store.compact(store.version)
    with pytest.raises(errors.Expired):
        list(client.watch(CONFIGMAPS, resource_version=since))


def test_watch_of_a_future_version_ends_with_410(client: Client) -> None:
    with pytest.raises(errors.Expired):
        list(client.watch(CONFIGMAPS, resource_version="999999"))


def test_bookmarks_advance_an_idle_watch(client: Client) -> None:
    since = client.list(CONFIGMAPS).resource_version
    client.create(
        PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}, namespace=NS
    )
    watch = client.watch(CONFIGMAPS, resource_version=since)
    event = next(iter(watch))
    watch.close()
    assert event.type == "BOOKMARK"
    assert event.object["metadata"]["resourceVersion"] == client.list(CONFIGMAPS).resource_version


def test_watch_ends_at_its_timeout(client: Client) -> None:
    began = time.monotonic()
    assert (
        list(client.watch(CONFIGMAPS, resource_version=client.list(CONFIGMAPS).resource_version, timeout_seconds=1))
        == []
    )
    assert time.monotonic() - began > 0.9


def test_close_wakes_the_iterating_thread(client: Client) -> None:
    watch = client.watch(CONFIGMAPS, resource_version=client.list(CONFIGMAPS).resource_version)
    thread = threading.Thread(target=lambda: list(watch))
    thread.start()
    watch.close()
    thread.join(patience(60))
    assert not thread.is_alive()


def test_closing_the_store_ends_watches(client: Client, store: Store) -> None:
    watch = client.watch(CONFIGMAPS, resource_version=client.list(CONFIGMAPS).resource_version)
    thread = threading.Thread(target=lambda: list(watch))
    thread.start()
    store.close()
    thread.join(patience(60))
    assert not thread.is_alive()


def test_each_change_reaches_a_watch_before_the_next_one_is_made(client: Client) -> None:
    watch = client.watch(CONFIGMAPS, resource_version=client.list(CONFIGMAPS).resource_version)
    arrived: list[str] = []
    one = threading.Event()

    def follow() -> None:
        for event in watch:
            if event.type == "ADDED":
                arrived.append(event.object["metadata"]["name"])
                one.set()

    thread = threading.Thread(target=follow)
    thread.start()
    names = [f"c{number}" for number in range(50)]
    for name in names:
        one.clear()
        client.create(CONFIGMAPS, config(name))
        assert one.wait(patience(60))
    watch.close()
    thread.join(patience(60))
    assert arrived == names


class Copy:
    """An informer's cache: reads a watch without blocking, and lists again on 410."""

    def __init__(self, client: Client, labels: str | None) -> None:
        self.client, self.labels = client, labels
        self.objects: dict[str, KubeObject] = {}
        self.relisted = 0
        self.version = ""
        self.relist()

    def relist(self) -> None:
        listed = self.client.list(CONFIGMAPS, namespace=NS, labels=self.labels)
        self.objects = {obj["metadata"]["name"]: obj for obj in listed.items}
        self.version = listed.resource_version
        self.relisted += 1

    def catch_up(self, *, steps: int | None = None) -> None:
        """Read all events, or `steps` of them, from the last version on, then disconnect."""
        try:
            for number, event in enumerate(until_now(self.client, self.version, self.labels)):
                self.take(event)
                if number + 1 == steps:
                    return
        except errors.Expired:
            self.relist()

    def take(self, event: WatchEvent) -> None:
        name, version = event.object["metadata"]["name"], event.object["metadata"]["resourceVersion"]
        assert int(version) > int(self.version), "events come in order, none twice"
        match event.type:
            case "ADDED":
                assert name not in self.objects
                self.objects[name] = event.object
            case "MODIFIED":
                assert name in self.objects
                self.objects[name] = event.object
            case "DELETED":
                del self.objects[name]
        self.version = version


names = st.sampled_from("abc")
teams = st.sampled_from(["red", "blue"])


class AnyInterleaving(RuleBasedStateMachine):
    """Writes, reconnects, compactions and restarts in any order; `copies` must always catch up."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.open()
        self.copies = [Copy(self.client, labels) for labels in (None, "team=red", "team!=red")]

    def open(self) -> None:
        self.store = Store(Path(self.folder.name) / "store.db")
        self.client = Client(ApiServer(self.store, version="0", bookmark_seconds=0.0))

    def teardown(self) -> None:
        for copy in self.copies:
            copy.catch_up()
            copy.catch_up()
        self.agree()
        self.store.close()
        self.folder.cleanup()

    def agree(self) -> None:
        for copy in self.copies:
            listed = self.client.list(CONFIGMAPS, namespace=NS, labels=copy.labels)
            assert copy.objects == {obj["metadata"]["name"]: obj for obj in listed.items}

    @rule(name=names, team=teams)
    def create_or_change(self, name: str, team: str) -> None:
        try:
            self.client.create(CONFIGMAPS, config(name, team=team))
        except errors.AlreadyExists:
            patch = {"metadata": {"labels": {"team": team}}, "data": {"n": str(self.store.version)}}
            self.client.patch(CONFIGMAPS, name, patch, namespace=NS)

    @rule(name=names)
    def delete(self, name: str) -> None:
        if self.client.find(CONFIGMAPS, name, namespace=NS) is not None:
            self.client.delete(CONFIGMAPS, name, namespace=NS)

    @rule(which=st.integers(0, 2), steps=st.integers(1, 3))
    def read_a_little(self, which: int, steps: int) -> None:
        self.copies[which].catch_up(steps=steps)

    @rule(back=st.integers(0, 6))
    def compact(self, back: int) -> None:
        self.store.compact(self.store.version - back)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.open()
        for copy in self.copies:
            copy.client = self.client

    @invariant()
    def versions_never_run_ahead(self) -> None:
        assert all(int(copy.version) <= self.store.version for copy in self.copies)


AnyInterleaving.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, derandomize=True, database=None
)
test_any_interleaving_ends_with_equal_copies = pytest.mark.slow(AnyInterleaving.TestCase)


def write_at_random(client: Client, store: Store, seed: int) -> None:
    choose = random.Random(seed)
    for number in range(150):
        name, team = f"c{choose.randrange(6)}", choose.choice(["red", "blue"])
        with suppress(errors.NotFound, errors.Conflict):
            match choose.randrange(3):
                case 0:
                    client.delete(CONFIGMAPS, name, namespace=NS)
                case 1:
                    client.create(CONFIGMAPS, config(name, team=team))
                case _:
                    patch = {"metadata": {"labels": {"team": team}}, "data": {"n": f"{number}"}}
                    client.patch(CONFIGMAPS, name, patch, namespace=NS)
        if choose.random() < 0.05:
            store.compact(store.version - choose.randrange(20))


def test_copies_agree_while_threads_write_compact_and_reconnect(client: Client, store: Store) -> None:
    done = threading.Event()

    def follow(copy: Copy) -> None:
        while not done.is_set():
            copy.catch_up()

    copies = [Copy(client, labels) for labels in (None, "team in (red)", "!team,team notin (blue)")]
    with ThreadPoolExecutor(6) as pool:
        reading = [pool.submit(follow, copy) for copy in copies]
        writing = [pool.submit(write_at_random, client, store, seed) for seed in range(3)]
        wait(writing)
        done.set()
    for future in reading + writing:
        future.result()
    for copy in copies:
        copy.catch_up()
        copy.catch_up()
        listed = client.list(CONFIGMAPS, namespace=NS, labels=copy.labels)
        assert copy.objects == {obj["metadata"]["name"]: obj for obj in listed.items}


def test_events_are_lines_of_stored_bytes(core: ApiServer, client: Client) -> None:
    created = client.create(CONFIGMAPS, config("a"))
    response = core.send(Request("GET", CONFIGMAPS.path(NS), {"watch": "1"}, stream=True))
    chunk = next(iter(response))
    response.close()
    assert chunk.endswith(b"\n")
    assert json.loads(chunk) == {"type": "ADDED", "object": created}
    assert isinstance(Watch(response), Watch)
