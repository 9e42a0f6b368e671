"""Expiry of events an hour after they were last observed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import EVENTS
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.controllers.event_expiry import TTL_SECONDS, EventExpiry
from jupyter_trainjob.cluster.store.object_store import DELETED, Key, Store
from jupyter_trainjob.kube.client import Client


class World:
    """An API server and an `EventExpiry` with a common clock."""

    def __init__(self, store: Store) -> None:
        self.now = 1_000_000.0
        self.store = store
        self.client = Client(ApiServer(store, version="0", now=lambda: datetime.fromtimestamp(self.now, timezone.utc)))
        self.expiry = EventExpiry(store, clock=lambda: self.now)

    def record(self, name: str, at: float | None = None) -> None:
        about = {"kind": "Pod", "name": "p", "namespace": "default"}
        event = {"metadata": {"name": name}, "involvedObject": about}
        self.client.create(EVENTS, {**event, "lastTimestamp": timestamp(at or self.now)}, namespace="default")

    def record_again(self, name: str) -> None:
        self.client.patch(EVENTS, name, {"lastTimestamp": timestamp(self.now)}, namespace="default")

    def names(self) -> list[str]:
        return [event["metadata"]["name"] for event in self.client.list(EVENTS).items]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path / "store.db")
    yield World(store)
    store.close()


def test_events_expire_an_hour_after_they_were_last_observed(world: World) -> None:
    world.record("once")
    world.record("again")
    world.now += TTL_SECONDS / 2
    world.record_again("again")
    world.record("later")
    assert world.expiry.delete_expired() == 0
    world.now += TTL_SECONDS / 2
    assert world.expiry.delete_expired() == 1
    assert world.names() == ["again", "later"]
    world.now += TTL_SECONDS / 2
    world.expiry.delete_expired()
    assert world.names() == []


def test_events_with_future_timestamps_expire(world: World) -> None:
    world.record("future", at=world.now + 10 * TTL_SECONDS)
    world.record("present")
    world.now += TTL_SECONDS
    assert world.expiry.delete_expired() == 2


def test_expired_events_are_deleted_in_watches(world: World) -> None:
    world.record("once")
    version = world.store.version
    world.now += TTL_SECONDS
    world.expiry.delete_expired()
    assert [(change.type, change.name) for change in world.store.changes(EVENTS.qualified, version)[0]] == [
        (DELETED, "once")
    ]


class CountingStore(Store):
    """A store that counts reads of objects."""

    reads = 0

    def get(self, resource: str, key: Key) -> tuple[int, bytes] | None:
        self.reads += 1
        return super().get(resource, key)


def test_many_recent_events_cost_one_read(tmp_path: Path) -> None:
    store = CountingStore(tmp_path / "store.db")
    world = World(store)
    for number in range(300):
        world.record(f"e{number}")
    store.reads = 0
    assert world.expiry.delete_expired() == 0
    assert store.reads == 1
    store.close()
