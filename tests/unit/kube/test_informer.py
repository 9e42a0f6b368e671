"""Informer and controller against a server that breaks its watches in every way that real ones do."""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, Object
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller, to_controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.transport import Request, Response
from jupyter_trainjob.kube.workqueue import WorkQueue


class Answer:
    """A body that is there at once."""

    def __init__(self, status: int, body: Object) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {}
        self._body = json.dumps(body).encode()

    def read(self) -> bytes:
        return self._body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        pass


class Stream:
    """A body that arrives line by line until somebody ends or breaks it."""

    status = 200

    def __init__(self) -> None:
        self.headers: Mapping[str, str] = {}
        self.lines: queue.SimpleQueue[Object | Exception | None] = queue.SimpleQueue()

    def read(self) -> bytes:
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        while (line := self.lines.get()) is not None:
            if isinstance(line, Exception):
                raise line
            yield json.dumps(line).encode() + b"\n"

    def close(self) -> None:
        self.lines.put(None)


class Server:
    """ConfigMaps with resource versions, watches, compaction, and faults on demand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._log: list[tuple[int, str, Object]] = []
        self._objects: dict[str, Object] = {}
        self._streams: list[Stream] = []
        self._compacted = 0
        self.version = 0
        self.refuse = 0
        self.requests: list[str] = []

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        with self._lock:
            self.requests.append("WATCH" if request.stream else "LIST")
            if self.refuse:
                self.refuse -= 1
                raise errors.ClusterError("connection refused")
            if not request.stream:
                listing = {"items": list(self._objects.values()), "metadata": {"resourceVersion": str(self.version)}}
                return Answer(200, listing)
            after = int(request.query["resourceVersion"])
            stream = Stream()
            if after < self._compacted:
                stream.lines.put({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})
                stream.close()
                return stream
            for version, kind, obj in self._log:
                if version > after:
                    stream.lines.put({"type": kind, "object": obj})
            self._streams.append(stream)
            return stream

    def put(self, name: str, value: int, owner: str | None = None) -> None:
        with self._lock:
            self.version += 1
            metadata: Object = {"namespace": "ns", "name": name, "resourceVersion": str(self.version)}
            if owner is not None:
                reference = {"kind": "TrainJob", "name": owner, "uid": f"uid-{owner}", "controller": True}
                metadata["ownerReferences"] = [reference]
            obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "value": value}
            kind = "MODIFIED" if name in self._objects else "ADDED"
            self._objects[name] = obj
            self._send(kind, obj)

    def delete(self, name: str) -> None:
        with self._lock:
            obj = self._objects.pop(name, None)
            if obj is not None:
                self.version += 1
                metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
                self._send("DELETED", {**obj, "metadata": metadata})

    def compact(self) -> None:
        with self._lock:
            self._log.clear()
            self._compacted = self.version

    def end_watches(self, error: Exception | None = None) -> None:
        with self._lock:
            for stream in self._streams:
                stream.lines.put(error)
            self._streams.clear()

    def bookmark(self) -> None:
        with self._lock:
            self.version += 1
            mark: Object = {"kind": "ConfigMap", "metadata": {"resourceVersion": str(self.version)}}
            for stream in self._streams:
                stream.lines.put({"type": "BOOKMARK", "object": mark})

    def state(self) -> dict[str, int]:
        with self._lock:
            return {name: obj["value"] for name, obj in self._objects.items()}

    @property
    def watches(self) -> int:
        with self._lock:
            return len(self._streams)

    def _send(self, kind: str, obj: Object) -> None:
        self._log.append((self.version, kind, obj))
        for stream in self._streams:
            stream.lines.put({"type": kind, "object": obj})


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def informer(server: Server) -> Iterator[Informer]:
    informer = Informer(Client(server), CONFIGMAPS)
    yield informer
    informer.stop()


def values(informer: Informer) -> dict[str, int]:
    return {obj["metadata"]["name"]: obj["value"] for obj in informer.list()}


def test_the_copy_holds_what_was_there_and_what_comes(server: Server, informer: Informer) -> None:
    server.put("a", 1)
    informer.start()
    assert informer.wait_synced(5)
    assert values(informer) == {"a": 1}
    server.put("b", 2)
    server.put("a", 3)
    assert eventually(lambda: values(informer) == {"a": 3, "b": 2})
    server.delete("a")
    assert eventually(lambda: values(informer) == {"b": 2})
    found = informer.get("b", "ns")
    assert found is not None
    assert found["value"] == 2
    assert informer.get("b", "other") is None
    assert informer.list("other") == []


def test_handlers_get_old_and_new_in_order_and_late_ones_what_is_there(server: Server, informer: Informer) -> None:
    seen: list[tuple[int | None, int | None]] = []

    def value(obj: Object | None) -> int | None:
        return None if obj is None else int(obj["value"])

    informer.on_change(lambda old, new: seen.append((value(old), value(new))))
    informer.start()
    server.put("a", 1)
    server.put("a", 2)
    server.delete("a")
    assert eventually(lambda: len(seen) == 3)
    assert seen == [(None, 1), (1, 2), (2, None)]
    server.put("b", 5)
    assert eventually(lambda: len(seen) == 4)
    late: list[int | None] = []
    informer.on_change(lambda old, new: late.append(value(new)))
    assert late == [5]


def test_objects_are_found_by_the_uid_of_their_controller(server: Server, informer: Informer) -> None:
    server.put("a", 1, owner="job")
    server.put("b", 2, owner="job")
    server.put("c", 3, owner="other")
    server.put("d", 4)
    informer.start()
    assert informer.wait_synced(5)
    assert [obj["metadata"]["name"] for obj in informer.owned_by("uid-job")] == ["a", "b"]
    server.put("a", 1, owner="other")
    server.delete("b")
    assert eventually(lambda: informer.owned_by("uid-job") == [])
    assert [obj["metadata"]["name"] for obj in informer.owned_by("uid-other")] == ["a", "c"]


def test_an_expired_version_is_answered_by_a_new_list_whose_differences_become_changes(
    server: Server, informer: Informer
) -> None:
    server.put("stays", 1)
    server.put("goes", 1)
    informer.start()
    assert informer.wait_synced(5)
    assert eventually(lambda: server.watches == 1)
    gone: list[str] = []
    informer.on_change(lambda old, new: gone.append(old["metadata"]["name"]) if old and not new else None)
    server.refuse = 1
    server.end_watches()
    server.delete("goes")
    server.put("comes", 1)
    server.compact()
    assert eventually(lambda: values(informer) == {"stays": 1, "comes": 1})
    assert gone == ["goes"]
    assert server.requests.count("LIST") == 2


def test_a_broken_watch_goes_on_from_the_last_version_without_a_new_list(server: Server, informer: Informer) -> None:
    informer.start()
    assert eventually(lambda: server.watches == 1)
    server.put("a", 1)
    assert eventually(lambda: values(informer) == {"a": 1})
    server.end_watches(ConnectionResetError("reset by peer"))
    server.put("b", 2)
    assert eventually(lambda: values(informer) == {"a": 1, "b": 2})
    assert server.requests.count("LIST") == 1


def test_bookmarks_move_the_version_on_so_that_compaction_does_no_harm(server: Server, informer: Informer) -> None:
    informer.start()
    assert eventually(lambda: server.watches == 1)
    server.bookmark()
    server.put("a", 1)
    assert eventually(lambda: values(informer) == {"a": 1})
    server.compact()
    server.end_watches()
    server.put("b", 2)
    assert eventually(lambda: values(informer) == {"a": 1, "b": 2})
    assert server.requests.count("LIST") == 1


def test_a_server_that_refuses_is_asked_again_after_growing_pauses(server: Server, informer: Informer) -> None:
    server.refuse = 3
    informer.start()
    begin = time.monotonic()
    assert informer.wait_synced(10)
    assert 0.1 < time.monotonic() - begin < 5
    assert server.requests[:4] == ["LIST"] * 4


def test_a_failing_handler_does_not_stop_the_others(server: Server, informer: Informer) -> None:
    def broken(old: Object | None, new: Object | None) -> None:
        raise RuntimeError("broken")

    seen: list[Object | None] = []
    informer.on_change(broken)
    informer.on_change(lambda old, new: seen.append(new))
    informer.start()
    server.put("a", 1)
    assert eventually(lambda: len(seen) == 1)


def test_stopping_ends_the_thread_and_who_waits_for_the_first_list(server: Server, informer: Informer) -> None:
    server.refuse = 1_000_000
    informer.start()
    informer.stop()
    assert not informer.wait_synced(5)
    assert not any(thread.name == "informer-configmaps" and thread.is_alive() for thread in threading.enumerate())


def test_an_idle_informer_sends_nothing_and_uses_no_processor_time(server: Server, informer: Informer) -> None:
    informer.start()
    assert eventually(lambda: server.watches == 1)
    before, used = len(server.requests), time.process_time()
    threading.Event().wait(0.3)
    assert len(server.requests) == before
    assert time.process_time() - used < 0.05


class Copier:
    """Reconciles by writing down what the informer says; fails at times."""

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


def test_a_write_reaches_the_reconciler_within_a_few_milliseconds(server: Server, informer: Informer) -> None:
    copier = Copier(informer)
    controller = Controller("copier", copier)
    controller.watch(informer)
    controller.start()
    try:
        assert eventually(lambda: server.watches == 1)
        delays = []
        for number in range(50):
            begin = time.perf_counter()
            server.put("a", number)
            while copier.copied.get("a") != number:
                time.sleep(0)
            delays.append(time.perf_counter() - begin)
        assert sorted(delays)[25] < 0.005
    finally:
        controller.stop()


def test_errors_are_retried_and_a_wish_to_be_called_again_is_granted(
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
        assert eventually(lambda: len(copier.calls) == 5)
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
        assert eventually(lambda: copier.calls == [("ns", "job")])
        server.put("a", 1, owner="other")
        assert eventually(lambda: sorted(copier.calls) == [("ns", "job"), ("ns", "job"), ("ns", "other")])
    finally:
        controller.stop()


@pytest.mark.parametrize("seed", range(5))
def test_no_update_is_lost_whatever_breaks_in_between(seed: int, server: Server, informer: Informer) -> None:
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
        assert eventually(lambda: copier.copied == server.state()), (copier.copied, server.state())
        assert values(informer) == server.state()
    finally:
        controller.stop()
