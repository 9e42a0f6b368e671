"""The object store: consistent lists and watches, optimistic concurrency, durability and compaction."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.store import changelog
from jupyter_trainjob.cluster.store.object_store import (
    ADDED,
    DELETED,
    MODIFIED,
    Compacted,
    Precondition,
    StaleWrite,
    Store,
    StoreClosed,
)
from tests.waiting import patience, wait_for

PODS = "pods"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.db")
    yield opened
    opened.close()


def pod(name: str, namespace: str = "default", **labels: str) -> KubeObject:
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


def put(store: Store, obj: KubeObject, expected: int | None = None, resource: str = PODS) -> int:
    key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
    if expected is None:
        entry = store.entry(resource, key)
        expected = entry.id if entry else 0
    store.put(resource, obj, fields={}, expected=expected)
    return store.version


def delete(store: Store, obj: KubeObject) -> int:
    entry = store.entry(PODS, (obj["metadata"]["namespace"], obj["metadata"]["name"]))
    store.delete(PODS, obj, fields={}, expected=entry.id if entry else 0)
    return store.version


def names(values: list[bytes]) -> list[str]:
    return [json.loads(value)["metadata"]["name"] for value in values]


def test_resource_version_is_the_row_id(store: Store) -> None:
    version = put(store, pod("a"))
    row = store.get(PODS, ("default", "a"))
    assert row is not None
    assert row[0] == version
    assert json.loads(row[1])["metadata"]["resourceVersion"] == str(version)


def test_write_over_an_older_row_raises_stale_write(store: Store) -> None:
    first = put(store, pod("a"))
    put(store, pod("a"), expected=first)
    for expected in (0, first):
        with pytest.raises(StaleWrite):
            put(store, pod("a"), expected=expected)


def test_list_is_sorted_and_limited_to_its_namespace(store: Store) -> None:
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


def test_page_of_a_compacted_version_raises_compacted(store: Store) -> None:
    put(store, pod("a"))
    first = store.page(PODS, limit=1)
    put(store, pod("a"))
    put(store, pod("a"))
    store.compact(store.version - 1)
    with pytest.raises(Compacted):
        store.page(PODS, after=("default", "a"), at=first.version)


def test_changes_include_the_previous_labels(store: Store) -> None:
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


def test_changes_are_limited(store: Store) -> None:
    for number in range(5):
        put(store, pod(f"p{number}"))
    names, cursor = [], 0
    while cursor < store.version:
        changes, cursor = store.changes(PODS, cursor, limit=2)
        assert len(changes) <= 2
        names += [change.name for change in changes]
    assert names == [f"p{number}" for number in range(5)]


def test_changes_after_compacted_or_future_versions_raise_compacted(store: Store) -> None:
    put(store, pod("a"))
    put(store, pod("a"))
    last = put(store, pod("a"))
    store.compact(last - 1)
    with pytest.raises(Compacted):
        store.changes(PODS, 1)
    with pytest.raises(Compacted):
        store.changes(PODS, last + 1)
    assert [change.id for change in store.changes(PODS, last - 1)[0]] == [last]


def test_compaction_does_not_affect_watches_of_unchanged_resources(store: Store) -> None:
    put(store, pod("quiet"), resource="nodes")
    version = store.version
    for _ in range(4):
        put(store, pod("busy"))
    store.compact(store.version)
    put(store, pod("quiet"), resource="nodes")
    assert [change.name for change in store.changes("nodes", version)[0]] == ["quiet"]


def test_compaction_keeps_existing_objects_and_referenced_rows(store: Store) -> None:
    put(store, pod("a", v="1"))
    put(store, pod("b"))
    keep = put(store, pod("a", v="2"))
    put(store, pod("a", v="3"))
    delete(store, pod("b"))
    store.compact(keep)
    changes, _ = store.changes(PODS, keep)
    assert [(change.type, change.old_labels) for change in changes] == [(MODIFIED, '{"v": "2"}'), (DELETED, "{}")]
    assert names(store.page(PODS).values) == ["a"]


def test_compacting_twice_keeps_the_floor(store: Store) -> None:
    put(store, pod("a"))
    put(store, pod("b"))
    deleted = delete(store, pod("b"))
    put(store, pod("n"), resource="nodes")
    store.compact(deleted)
    store.compact(deleted)
    with pytest.raises(Compacted):
        store.changes(PODS, 2)
    assert store.changes(PODS, deleted) == ([], store.version)


def test_store_compacts_itself_when_the_log_grows(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", keep_changes=50)
    for _ in range(1200):
        put(store, pod("a"))
    with sqlite3.connect(tmp_path / "store.db") as connection:
        rows = connection.execute("SELECT count(*) FROM log").fetchone()[0]
    connection.close()
    store.close()
    assert rows < 700


def test_deleted_and_compacted_bytes_are_erased_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelog, "_BUSY_SECONDS", 3600)  # Whoever waits for the reader waits long.
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
        compaction = threading.Thread(target=store.compact, args=[store.version])
        compaction.start()
        wait_for(lambda: not compaction.is_alive(), "a compaction that does not wait for the reader")
    put(store, pod("else", v="3"))
    store.compact(store.version)
    assert long[:1000].encode() not in on_disk(tmp_path)
    store.close()


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_objects_and_floors_survive_reopening(tmp_path: Path) -> None:
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


def test_wait_returns_on_change_cancellation_and_close(store: Store) -> None:
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
    thread.join(patience(60))
    assert not thread.is_alive()
    thread = waits()
    cancelled.set()
    store.wake(PODS)
    thread.join(patience(60))
    assert not thread.is_alive()
    cancelled.clear()
    thread = waits()
    store.close()
    thread.join(patience(60))
    assert not thread.is_alive()


def test_closed_store_raises(store: Store) -> None:
    put(store, pod("a"))
    store.close()
    with pytest.raises(StoreClosed):
        store.get(PODS, ("default", "a"))
    with pytest.raises(StoreClosed):
        put(store, pod("b"))


def test_missing_folder_is_a_cluster_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(errors.ClusterError, match="local disk"):
        Store(tmp_path / "missing" / "store.db")


def test_damaged_file_is_a_cluster_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(errors.ClusterError, match="move it away"):
        Store(tmp_path / "store.db")


def test_file_of_another_format_is_a_cluster_error(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(errors.ClusterError, match="format 99"):
        Store(tmp_path / "store.db")


def test_write_with_an_outdated_precondition_raises_stale_write(store: Store) -> None:
    namespaces = "namespaces"
    store.put(namespaces, {"metadata": {"name": "n"}}, fields={}, expected=0)
    precondition = Precondition(namespaces, ("", "n"), store.version)
    store.put(PODS, pod("a", "n"), fields={}, expected=0, precondition=precondition)
    store.put(namespaces, {"metadata": {"name": "n"}}, fields={}, expected=precondition.id)
    with pytest.raises(StaleWrite):
        store.put(PODS, pod("b", "n"), fields={}, expected=0, precondition=precondition)
    assert names(store.page(PODS).values) == ["a"]


@pytest.mark.slow
def test_compaction_cost_depends_only_on_new_changes(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", keep_changes=100)
    for number in range(2000):
        put(store, pod(f"finished-{number}"))
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    store._log._writer.set_progress_handler(count, 100)
    for _ in range(500):
        put(store, pod("busy"))
    first_steps = steps
    for number in range(8000):
        put(store, pod(f"more-{number}"))
    steps = 0
    for _ in range(500):
        put(store, pod("busy"))
    store.close()
    assert steps < 2 * first_steps + 100


def test_full_disk_is_an_error_and_changes_nothing(store: Store) -> None:
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
