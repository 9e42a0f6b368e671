"""The informer with a server that breaks watches in every way that real servers do."""

from __future__ import annotations

import threading
import time

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.kube.informer import Informer
from tests.waiting import patience, wait_for

from .fake_server import Server, values


def test_cache_has_existing_and_new_objects(server: Server, informer: Informer) -> None:
    server.put("a", 1)
    informer.start()
    assert informer.wait_synced(5)
    assert values(informer) == {"a": 1}
    server.put("b", 2)
    server.put("a", 3)
    wait_for(lambda: values(informer) == {"a": 3, "b": 2})
    server.delete("a")
    wait_for(lambda: values(informer) == {"b": 2})
    cached = informer.get("b", "ns")
    assert cached is not None
    assert cached["value"] == 2
    assert informer.get("b", "other") is None
    assert informer.list("other") == []


def test_handlers_get_changes_in_order_and_late_handlers_existing_objects(server: Server, informer: Informer) -> None:
    changes: list[tuple[int | None, int | None]] = []

    def value(obj: KubeObject | None) -> int | None:
        return None if obj is None else int(obj["value"])

    informer.on_change(lambda old, new: changes.append((value(old), value(new))))
    informer.start()
    server.put("a", 1)
    server.put("a", 2)
    server.delete("a")
    wait_for(lambda: len(changes) == 3)
    assert changes == [(None, 1), (1, 2), (2, None)]
    server.put("b", 5)
    wait_for(lambda: len(changes) == 4)
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
    wait_for(lambda: informer.owned_by("uid-job") == [])
    assert [obj["metadata"]["name"] for obj in informer.owned_by("uid-other")] == ["a", "c"]


def test_expired_version_causes_a_new_list_whose_differences_are_events(server: Server, informer: Informer) -> None:
    server.put("stays", 1)
    server.put("goes", 1)
    informer.start()
    assert informer.wait_synced(5)
    wait_for(lambda: server.watches == 1)
    deleted: list[str] = []
    informer.on_change(lambda old, new: deleted.append(old["metadata"]["name"]) if old and not new else None)
    server.refuse = 1
    server.end_watches()
    server.delete("goes")
    server.put("comes", 1)
    server.compact()
    wait_for(lambda: values(informer) == {"stays": 1, "comes": 1})
    assert deleted == ["goes"]
    assert server.requests.count("LIST") == 2


def test_broken_watch_continues_from_the_last_version(server: Server, informer: Informer) -> None:
    informer.start()
    wait_for(lambda: server.watches == 1)
    server.put("a", 1)
    wait_for(lambda: values(informer) == {"a": 1})
    server.end_watches(ConnectionResetError("reset by peer"))
    server.put("b", 2)
    wait_for(lambda: values(informer) == {"a": 1, "b": 2})
    assert server.requests.count("LIST") == 1


def test_bookmarks_advance_the_version_before_compaction(server: Server, informer: Informer) -> None:
    informer.start()
    wait_for(lambda: server.watches == 1)
    server.bookmark()
    server.put("a", 1)
    wait_for(lambda: values(informer) == {"a": 1})
    server.compact()
    server.end_watches()
    server.put("b", 2)
    wait_for(lambda: values(informer) == {"a": 1, "b": 2})
    assert server.requests.count("LIST") == 1


def test_refusing_server_is_retried_with_growing_delays(server: Server, informer: Informer) -> None:
    server.refuse = 3
    informer.start()
    begin = time.monotonic()
    assert informer.wait_synced(patience(60))
    assert time.monotonic() - begin > 0.1
    assert server.requests[:4] == ["LIST"] * 4


def test_failing_handler_does_not_stop_the_others(server: Server, informer: Informer) -> None:
    def broken(old: KubeObject | None, new: KubeObject | None) -> None:
        raise RuntimeError("broken")

    received: list[KubeObject | None] = []
    informer.on_change(broken)
    informer.on_change(lambda old, new: received.append(new))
    informer.start()
    server.put("a", 1)
    wait_for(lambda: len(received) == 1)


def test_stop_ends_the_thread_and_wait_synced(server: Server, informer: Informer) -> None:
    server.refuse = 1_000_000
    informer.start()
    informer.stop()
    assert not informer.wait_synced(patience(60))
    assert not any(thread.name == "informer-configmaps" and thread.is_alive() for thread in threading.enumerate())


def test_idle_informer_sends_no_requests_and_uses_no_cpu(server: Server, informer: Informer) -> None:
    informer.start()
    wait_for(lambda: server.watches == 1)
    before, used = len(server.requests), time.process_time()
    threading.Event().wait(0.3)
    assert len(server.requests) == before
    assert time.process_time() - used < 0.05
