"""Events go an hour after they were last told of; watches see them go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import EVENTS
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.expiry import KEPT_SECONDS, EventExpiry
from jupyter_trainjob.cluster.store import DELETED, Key, Store
from jupyter_trainjob.kube.client import Client


class World:
    """A request core and an expiry under one clock."""

    def __init__(self, store: Store) -> None:
        self.now = 1_000_000.0
        self.store = store
        self.client = Client(Core(store, version="0", now=lambda: datetime.fromtimestamp(self.now, timezone.utc)))
        self.expiry = EventExpiry(store, clock=lambda: self.now)

    def tell(self, name: str, at: float | None = None) -> None:
        about = {"kind": "Pod", "name": "p", "namespace": "default"}
        event = {"metadata": {"name": name}, "involvedObject": about}
        self.client.create(EVENTS, {**event, "lastTimestamp": timestamp(at or self.now)}, namespace="default")

    def tell_again(self, name: str) -> None:
        self.client.patch(EVENTS, name, {"lastTimestamp": timestamp(self.now)}, namespace="default")

    def names(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.client.list(EVENTS).items]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path / "store.db")
    yield World(store)
    store.close()


def test_events_go_an_hour_after_they_were_last_told(world: World) -> None:
    world.tell("once")
    world.tell("again")
    world.now += KEPT_SECONDS / 2
    world.tell_again("again")
    world.tell("later")
    assert world.expiry.sweep() == 0
    world.now += KEPT_SECONDS / 2
    assert world.expiry.sweep() == 1
    assert world.names() == ["again", "later"]
    world.now += KEPT_SECONDS / 2
    world.expiry.sweep()
    assert world.names() == []


def test_what_claims_to_come_from_the_future_goes_too_and_keeps_nobody(world: World) -> None:
    world.tell("future", at=world.now + 10 * KEPT_SECONDS)
    world.tell("present")
    world.now += KEPT_SECONDS
    assert world.expiry.sweep() == 2


def test_a_watch_sees_events_go(world: World) -> None:
    world.tell("once")
    seen = world.store.version
    world.now += KEPT_SECONDS
    world.expiry.sweep()
    assert [(change.type, change.name) for change in world.store.changes(EVENTS.qualified, seen)[0]] == [
        (DELETED, "once")
    ]


class Counting(Store):
    """A store that counts how often it is asked for an object."""

    looks = 0

    def get(self, resource: str, key: Key) -> tuple[int, bytes] | None:
        self.looks += 1
        return super().get(resource, key)


def test_hundreds_of_young_events_cost_one_look(tmp_path: Path) -> None:
    store = Counting(tmp_path / "store.db")
    world = World(store)
    for number in range(300):
        world.tell(f"e{number}")
    store.looks = 0
    assert world.expiry.sweep() == 0
    assert store.looks == 1
    store.close()
