"""The controller: triggers, retries and delays of its reconciler, also with broken watches."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.kube.controller import Controller, to_controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.workqueue import WorkQueue
from tests.waiting import wait_for

from .fake_server import Server, values


class Copier:
    """A reconciler that records the informer's objects and sometimes fails."""

    def __init__(self, informer: Informer, chance: random.Random | None = None) -> None:
        self.informer = informer
        self.chance = chance
        self.copied: dict[str, int] = {}
        self.calls: list[tuple[str, str]] = []
        self.errors: list[Exception] = []
        self.again: float | None = None

    def reconcile(self, namespace: str, name: str) -> float | None:
        self.calls.append((namespace, name))
        if self.errors:
            raise self.errors.pop()
        if self.chance and self.chance.random() < 0.2:
            raise errors.Conflict(409, "Conflict", "moved on")
        obj = self.informer.get(name, namespace)
        if obj is None:
            self.copied.pop(name, None)
        else:
            self.copied[name] = obj["value"]
        again, self.again = self.again, None
        return again


def test_every_write_reaches_the_reconciler(server: Server, informer: Informer) -> None:
    copier = Copier(informer)
    controller = Controller("copier", copier)
    controller.watch(informer)
    controller.start()
    try:
        wait_for(lambda: server.watches == 1)
        for number in range(50):
            server.put("a", number)
            wait_for(lambda number=number: copier.copied.get("a") == number)  # type: ignore[misc]
    finally:
        controller.stop()


def test_errors_are_retried_and_requested_delays_respected(
    server: Server, informer: Informer, caplog: pytest.LogCaptureFixture
) -> None:
    copier = Copier(informer)
    copier.errors = [
        errors.Conflict(409, "Conflict", "moved on"),
        errors.ClusterError("no answer"),
        RuntimeError("a bug"),
    ]
    copier.again = 0.01
    controller = Controller("copier", copier)
    controller.watch(informer)
    server.put("a", 1)
    controller.start()
    try:
        wait_for(lambda: len(copier.calls) == 5)
        assert copier.copied == {"a": 1}
    finally:
        controller.stop()
    assert "no answer" in caplog.text
    assert "a bug" in caplog.text
    assert "moved on" not in caplog.text


def test_children_are_mapped_to_the_controller_of_their_kind(server: Server, informer: Informer) -> None:
    copier = Copier(informer)
    controller = Controller("copier", copier)
    controller.watch(informer, to_controller("TrainJob"))
    server.put("a", 1, owner="job")
    server.put("b", 2)
    controller.start()
    try:
        wait_for(lambda: copier.calls == [("ns", "job")])
        server.put("a", 1, owner="other")
        wait_for(lambda: sorted(copier.calls) == [("ns", "job"), ("ns", "job"), ("ns", "other")])
    finally:
        controller.stop()


@pytest.mark.parametrize("seed", range(5))
def test_no_update_is_lost_despite_broken_watches(seed: int, server: Server, informer: Informer) -> None:
    chance = random.Random(seed)
    copier = Copier(informer, random.Random(seed + 100))
    controller = Controller("copier", copier, workers=2, queue=WorkQueue(first_retry=0.0001, last_retry=0.001))
    controller.watch(informer)
    controller.start()
    faults: list[Callable[[], None]] = [
        server.end_watches,
        lambda: server.end_watches(ConnectionResetError("reset")),
        server.compact,
        server.bookmark,
        lambda: setattr(server, "refuse", 1),
        lambda: time.sleep(0.01),
    ]
    try:
        for number in range(300):
            name = f"object-{chance.randrange(6)}"
            if chance.random() < 0.25:
                server.delete(name)
            else:
                server.put(name, number)
            if chance.random() < 0.05:
                chance.choice(faults)()
        wait_for(lambda: copier.copied == server.state()), (copier.copied, server.state())
        assert values(informer) == server.state()
    finally:
        controller.stop()
