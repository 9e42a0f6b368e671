"""The log of changes: lists and watches agree, nothing acknowledged is lost, compaction tells who came too late."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.store import ADDED, DELETED, MODIFIED, Closed, Compacted, Moved, Store, Within

PODS = "pods"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.db")
    yield opened
    opened.close()


def pod(name: str, namespace: str = "default", **labels: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


def put(store: Store, obj: Object, expected: int | None = None, resource: str = PODS) -> int:
    key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
    if expected is None:
        entry = store.entry(resource, key)
        expected = entry.id if entry else 0
    store.put(resource, obj, fields={}, expected=expected)
    return store.version


def delete(store: Store, obj: Object) -> int:
    entry = store.entry(PODS, (obj["metadata"]["namespace"], obj["metadata"]["name"]))
    store.delete(PODS, obj, fields={}, expected=entry.id if entry else 0)
    return store.version


def names(values: list[bytes]) -> list[str]:
    return [json.loads(value)["metadata"]["name"] for value in values]


def test_the_row_id_is_the_resource_version(store: Store) -> None:
    version = put(store, pod("a"))
    found = store.get(PODS, ("default", "a"))
    assert found is not None
    assert found[0] == version
    assert json.loads(found[1])["metadata"]["resourceVersion"] == str(version)


def test_a_writer_that_saw_an_older_row_is_told_so(store: Store) -> None:
    first = put(store, pod("a"))
    put(store, pod("a"), expected=first)
    for expected in (0, first):
        with pytest.raises(Moved):
            put(store, pod("a"), expected=expected)


def test_a_list_is_sorted_and_limited_to_its_namespace(store: Store) -> None:
    for name, namespace in (("b", "x"), ("a", "y"), ("a", "x")):
        put(store, pod(name, namespace))
    assert names(store.page(PODS).values) == ["a", "b", "a"]
    assert names(store.page(PODS, namespace="x").values) == ["a", "b"]


def test_pages_show_one_version_while_objects_change(store: Store) -> None:
    for name in "abcd":
        put(store, pod(name))
    first = store.page(PODS, limit=2)
    delete(store, pod("c"))
    put(store, pod("bb"))
    second = store.page(PODS, limit=2, after=first.next, at=first.version)
    assert (names(first.values), names(second.values)) == (["a", "b"], ["c", "d"])
    assert (first.remaining, second.remaining, second.next) == (2, 0, None)


def test_pages_of_a_compacted_version_are_gone(store: Store) -> None:
    put(store, pod("a"))
    first = store.page(PODS, limit=1)
    put(store, pod("a"))
    put(store, pod("a"))
    store.compact(store.version - 1)
    with pytest.raises(Compacted):
        store.page(PODS, after=("default", "a"), at=first.version)


def test_changes_carry_what_was_before(store: Store) -> None:
    put(store, pod("a", color="red"))
    put(store, pod("a", color="blue"))
    delete(store, pod("a", color="blue"))
    changes, complete = store.changes(PODS, 0)
    assert [(change.type, change.old_labels) for change in changes] == [
        (ADDED, None),
        (MODIFIED, '{"color": "red"}'),
        (DELETED, '{"color": "blue"}'),
    ]
    assert complete == store.version == changes[-1].id


def test_changes_come_in_bounded_portions(store: Store) -> None:
    for number in range(5):
        put(store, pod(f"p{number}"))
    seen, cursor = [], 0
    while cursor < store.version:
        changes, cursor = store.changes(PODS, cursor, limit=2)
        assert len(changes) <= 2
        seen += [change.name for change in changes]
    assert seen == [f"p{number}" for number in range(5)]


def test_versions_before_compaction_and_of_the_future_are_gone(store: Store) -> None:
    put(store, pod("a"))
    put(store, pod("a"))
    last = put(store, pod("a"))
    store.compact(last - 1)
    with pytest.raises(Compacted):
        store.changes(PODS, 1)
    with pytest.raises(Compacted):
        store.changes(PODS, last + 1)
    assert [change.id for change in store.changes(PODS, last - 1)[0]] == [last]


def test_compaction_concerns_only_those_who_would_miss_a_change(store: Store) -> None:
    put(store, pod("quiet"), resource="nodes")
    seen = store.version
    for _ in range(4):
        put(store, pod("busy"))
    store.compact(store.version)
    put(store, pod("quiet"), resource="nodes")
    assert [change.name for change in store.changes("nodes", seen)[0]] == ["quiet"]


def test_compaction_keeps_what_lives_and_what_changes_refer_to(store: Store) -> None:
    put(store, pod("a", v="1"))
    put(store, pod("b"))
    keep = put(store, pod("a", v="2"))
    put(store, pod("a", v="3"))
    delete(store, pod("b"))
    store.compact(keep)
    changes, _ = store.changes(PODS, keep)
    assert [(change.type, change.old_labels) for change in changes] == [(MODIFIED, '{"v": "2"}'), (DELETED, "{}")]
    assert names(store.page(PODS).values) == ["a"]


def test_compacting_again_does_not_bring_lost_versions_back(store: Store) -> None:
    put(store, pod("a"))
    put(store, pod("b"))
    deleted = delete(store, pod("b"))
    put(store, pod("n"), resource="nodes")
    store.compact(deleted)
    store.compact(deleted)
    with pytest.raises(Compacted):
        store.changes(PODS, 2)
    assert store.changes(PODS, deleted) == ([], store.version)


def test_compaction_starts_by_itself_when_the_log_grows(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", keep_changes=50)
    for _ in range(1200):
        put(store, pod("a"))
    with sqlite3.connect(tmp_path / "store.db") as connection:
        rows = connection.execute("SELECT count(*) FROM log").fetchone()[0]
    connection.close()
    store.close()
    assert rows < 700


def test_of_what_was_deleted_and_compacted_no_byte_stays_on_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    short, long = "a sentence that nobody is to read", "a long value of many pages " * 4000
    for name, value in (("short", short), ("long", long)):
        put(store, pod(name, value=value))
    delete(store, pod("short"))
    put(store, pod("else", v="1"))
    assert short.encode() in on_disk(tmp_path)
    store.compact(store.version)
    assert short.encode() not in on_disk(tmp_path)
    assert long[:1000].encode() in on_disk(tmp_path)
    delete(store, pod("long"))
    put(store, pod("else", v="2"))
    with store._log.reader() as reader:
        reader.pin()
        began = time.monotonic()
        store.compact(store.version)
        assert time.monotonic() - began < 10, "waited for a reader"
    put(store, pod("else", v="3"))
    store.compact(store.version)
    assert long[:1000].encode() not in on_disk(tmp_path)
    store.close()


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_what_was_written_and_compacted_is_there_after_reopening(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    for version in "123":
        put(store, pod("a", v=version))
    put(store, pod("b"))
    delete(store, pod("b"))
    store.compact(2)
    store.close()
    again = Store(tmp_path / "store.db")
    assert again.version == 5
    assert names(again.page(PODS).values) == ["a"]
    entry = again.entry(PODS, ("default", "a"))
    assert entry is not None
    assert entry.labels == {"v": "3"}
    with pytest.raises(Compacted):
        again.changes(PODS, 1)
    assert [change.id for change in again.changes(PODS, 2)[0]] == [3, 4, 5]
    again.close()


def test_waiting_ends_with_a_change_a_cancellation_or_the_end(store: Store) -> None:
    cancelled = threading.Event()

    def waits() -> threading.Thread:
        version = store.version  # now, not when the thread has its first turn
        thread = threading.Thread(target=lambda: store.wait(PODS, version, timeout=60, cancelled=cancelled.is_set))
        thread.start()
        return thread

    thread = waits()
    put(store, pod("other"), resource="nodes")
    assert thread.is_alive()
    put(store, pod("a"))
    thread.join(30)
    assert not thread.is_alive()
    thread = waits()
    cancelled.set()
    store.wake(PODS)
    thread.join(30)
    assert not thread.is_alive()
    cancelled.clear()
    thread = waits()
    store.close()
    thread.join(30)
    assert not thread.is_alive()


def test_a_closed_store_says_so(store: Store) -> None:
    put(store, pod("a"))
    store.close()
    with pytest.raises(Closed):
        store.get(PODS, ("default", "a"))
    with pytest.raises(Closed):
        put(store, pod("b"))


def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    with pytest.raises(errors.ClusterError, match="local disk"):
        Store(tmp_path / "missing" / "store.db")


def test_a_damaged_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(errors.ClusterError, match="move it away"):
        Store(tmp_path / "store.db")


def test_a_file_of_another_version_is_explained(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(errors.ClusterError, match="format 99"):
        Store(tmp_path / "store.db")


def test_a_write_that_counts_on_another_object_hears_that_this_has_changed(store: Store) -> None:
    namespaces = "namespaces"
    store.put(namespaces, {"metadata": {"name": "n"}}, fields={}, expected=0)
    within = Within(namespaces, ("", "n"), store.version)
    store.put(PODS, pod("a", "n"), fields={}, expected=0, within=within)
    store.put(namespaces, {"metadata": {"name": "n"}}, fields={}, expected=within.id)
    with pytest.raises(Moved):
        store.put(PODS, pod("b", "n"), fields={}, expected=0, within=within)
    assert names(store.page(PODS).values) == ["a"]


def test_compaction_looks_only_at_what_changed_since_the_last_one(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", keep_changes=100)
    for number in range(2000):
        put(store, pod(f"finished-{number}"))
    looked = 0

    def count() -> int:
        nonlocal looked
        looked += 1
        return 0

    store._log._writer.set_progress_handler(count, 100)
    for _ in range(500):
        put(store, pod("busy"))
    few = looked
    for number in range(8000):
        put(store, pod(f"more-{number}"))
    looked = 0
    for _ in range(500):
        put(store, pod("busy"))
    store.close()
    assert looked < 2 * few + 100


def test_a_full_disk_is_told_and_nothing_is_changed(store: Store) -> None:
    put(store, pod("a", v="1"))
    pages = store._log._writer.execute("PRAGMA page_count").fetchone()[0]
    store._log._writer.execute(f"PRAGMA max_page_count={pages}")
    version = store.version
    with pytest.raises(errors.ClusterError, match="Nothing was changed"):
        put(store, pod("large", x="x" * 50_000))
    assert store.version == version
    assert names(store.page(PODS).values) == ["a"]
    store._log._writer.execute("PRAGMA max_page_count=1000000")
    put(store, pod("large", x="x" * 50_000))
    assert names(store.page(PODS).values) == ["a", "large"]
