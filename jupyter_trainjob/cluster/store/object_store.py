"""The object store: an index over a log of changes, whose row ids are the resourceVersions.

The API server's request handler writes final objects; lists and watches return the stored bytes, joined and never
parsed. Memory holds only an index: the newest row of each key, with the labels and fields that selectors read.

One table (`changelog`) is enough because a list is the newest row of each key, and a watch is the rows after a version:
no change can be lost or delivered twice between the two. Every write is one transaction with optimistic concurrency: it
names the row that it replaces (`StaleWrite` if that is not the newest). Old rows are compacted in steps whose cost
depends only on the changes since the last step; reading compacted rows raises `Compacted`.
"""

from __future__ import annotations

import bisect
import json
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Condition, RLock
from typing import NamedTuple

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.store.changelog import (
    ADDED,
    DELETED,
    MODIFIED,
    Change,
    ChangeLog,
    Entry,
    Key,
    StoreClosed,
)
from jupyter_trainjob.cluster.store.object_index import ObjectIndex, Predicate

__all__ = [
    "ADDED",
    "DELETED",
    "MODIFIED",
    "Change",
    "Compacted",
    "Entry",
    "Key",
    "Page",
    "Precondition",
    "Predicate",
    "QuotaExceeded",
    "StaleWrite",
    "Store",
    "StoreClosed",
]

QUOTA_BYTES = 256 << 20
"""Bytes of all existing objects. Each is held in memory several times: this bounds the memory of the daemon."""
_ROWS_PER_READ = 200
_COMPACT_EVERY = 500


class StaleWrite(Exception):
    """The newest row of the key is not the one that the writer read."""


class QuotaExceeded(Exception):
    """The existing objects use up the quota: no new object is stored."""


class Compacted(Exception):
    """The requested rows were compacted, or the version does not exist."""


class Page(NamedTuple):
    """A list or one page of it: stored bytes in the order of their keys, at one version."""

    version: int
    values: list[bytes]
    next: Key | None
    """The last key of this page, after which the next one begins; None on the last page."""
    remaining: int


class Precondition(NamedTuple):
    """The row that another object (a namespace) must still have for a write to succeed."""

    resource: str
    key: Key
    id: int


class Store:
    """Objects by resource (``plural.group``), namespace and name. Thread-safe; one process only."""

    def __init__(
        self,
        path: Path,
        *,
        keep_changes: int = 10_000,
        keep_bytes: int = 64 << 20,
        quota_bytes: int = QUOTA_BYTES,
    ) -> None:
        self._log = ChangeLog(path)
        self.quota_bytes = quota_bytes
        self._keep_changes = keep_changes
        self._keep_bytes = keep_bytes
        self._lock = RLock()
        self._conditions: defaultdict[str, Condition] = defaultdict(lambda: Condition(self._lock))
        self._floor = self._log.floors()
        """The newest compacted id of each resource: watches must begin there or later."""
        self._version = self._log.version()
        entries = self._log.entries(self._version)
        self._indexes = defaultdict(ObjectIndex, {name: ObjectIndex(entries) for name, entries in entries.items()})
        self.live_bytes = sum(entry.size for entries in entries.values() for entry in entries.values())
        """Bytes of the existing objects, without their earlier versions."""
        self._latest: defaultdict[str, int] = defaultdict(int, self._floor | self._log.newest_ids())
        """The id of the newest change of each resource, which waiting watches compare with."""
        self._closed = False
        self._recent: deque[tuple[int, int]] = deque(self._log.newest_sizes(keep_changes))
        """Id and length in bytes of the newest changes, which compaction keeps."""
        self._recent_bytes = sum(length for _, length in self._recent)
        self._dropped = self._dropped_bytes = 0

    @property
    def version(self) -> int:
        """Return the id of the newest row."""
        return self._version

    @property
    def closed(self) -> bool:
        """Return whether `close` was called."""
        return self._closed

    def entry(self, resource: str, key: Key) -> Entry | None:
        """Return the index entry of one object, None if it does not exist."""
        index = self._indexes.get(resource)
        return None if index is None else index.get(key)

    def resources(self) -> list[str]:
        """Return the names of the resources that have, or had, objects."""
        with self._lock:
            return sorted(self._indexes)

    def discard(self, resource: str, key: Key, expected: int) -> None:
        """Delete an unreadable object whose newest row is `expected`."""
        stub: KubeObject = {"metadata": {"namespace": key[0], "name": key[1]} if key[0] else {"name": key[1]}}
        self._append(resource, stub, {}, expected=expected, kind=DELETED)

    def in_write_order(self, resource: str) -> list[tuple[int, Key]]:
        """Return row and key of all objects of a resource, in the order of their last write."""
        with self._lock:
            return self._indexes[resource].in_write_order()

    def get(self, resource: str, key: Key) -> tuple[int, bytes] | None:
        """Return the newest version of one object and its bytes, None if it does not exist."""
        with self._log.reader() as reader:
            while True:
                entry = self.entry(resource, key)
                if entry is None:
                    return None
                value = reader.value(entry.id)
                if value is not None:  # else it was replaced and compacted after the index was read
                    return entry.id, value

    def page(
        self,
        resource: str,
        *,
        namespace: str | None = None,
        predicate: Predicate | None = None,
        limit: int = 0,
        after: Key | None = None,
        at: int | None = None,
    ) -> Page:
        """Return the objects of a resource in one consistent snapshot.

        `limit` and `after` select a page; `at` reads an older version, so that all pages show the same snapshot.
        Raises `Compacted` if that version is no longer available.
        """
        with self._log.reader() as reader:
            with self._lock:  # pin the reader's snapshot to the version of the index
                reader.pin()
                version = self._version if at is None else at
                if at is not None:
                    self._check_available(resource, at)
                entries = self._indexes[resource].candidates(namespace, predicate)
            if at is not None:
                entries = reader.entries_at(resource, at)
            matches = sorted(
                (key, entry.id)
                for key, entry in entries
                if (namespace is None or key[0] == namespace)
                and (predicate is None or predicate(key, entry.labels, entry.fields))
            )
            if after is not None:
                matches = matches[bisect.bisect_right(matches, after, key=lambda pair: pair[0]) :]
            page = matches[:limit] if limit else matches
            values = reader.values([row for _, row in page])
        remaining = len(matches) - len(page)
        return Page(version, values, page[-1][0] if remaining else None, remaining)

    def put(
        self,
        resource: str,
        obj: KubeObject,
        *,
        fields: Mapping[str, str],
        expected: int,
        precondition: Precondition | None = None,
    ) -> bytes:
        """Write an object over its newest row `expected` (0: none yet); its resourceVersion becomes the new row's id.

        Returns the stored bytes. Raises `StaleWrite` if the newest row differs, or that of `precondition` does;
        `QuotaExceeded` if a new object does not fit into the quota.
        """
        return self._append(
            resource, obj, fields, expected=expected, kind=MODIFIED if expected else ADDED, precondition=precondition
        )

    def delete(self, resource: str, obj: KubeObject, *, fields: Mapping[str, str], expected: int) -> bytes:
        """Delete an object whose newest row is `expected`, recording its last state `obj`. Raises `StaleWrite`."""
        return self._append(resource, obj, fields, expected=expected, kind=DELETED)

    def changes(
        self, resource: str, after: int, *, namespace: str | None = None, limit: int = _ROWS_PER_READ
    ) -> tuple[list[Change], int]:
        """Return at most `limit` changes after a version, in order, and the version up to which they are complete.

        Raises `Compacted` if some of them were compacted, or the version lies in the future (of a lost database).
        """
        with self._lock:
            self._check_available(resource, after)
            upto = self._version
            if self._latest[resource] <= after:
                return [], upto
        with self._log.reader() as reader:
            changes = reader.changes(resource, after, upto, namespace, limit)
        with self._lock:
            self._check_available(resource, after)
        return changes, changes[-1].id if len(changes) == limit else upto

    def wait(self, resource: str, after: int, *, timeout: float, cancelled: Callable[[], bool]) -> None:
        """Block until a change after a version, `cancelled` being true, `close`, or `timeout` seconds have passed."""
        with self._lock:
            condition = self._conditions[resource]
            condition.wait_for(lambda: self._closed or cancelled() or self._latest[resource] > after, timeout)

    def wake(self, resource: str) -> None:
        """Make every `wait` on a resource evaluate its `cancelled` again."""
        with self._lock:
            self._conditions[resource].notify_all()

    def value(self, row: int) -> bytes | None:
        """Return the bytes of one row of the log, None if it was compacted."""
        with self._log.reader() as reader:
            return reader.value(row)

    def compact(self, upto: int) -> None:
        """Delete rows that were replaced or deleted up to a version; the newest row of the log always stays."""
        with self._lock:
            upto, passed = min(upto, self._version - 1), max(self._floor.values(), default=0)
            if upto > passed:
                self._floor.update(self._log.compact(passed, upto))

    def close(self) -> None:
        """Wake every `wait` and close the file."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for condition in self._conditions.values():
                condition.notify_all()
            self._log.close()

    def _append(
        self,
        resource: str,
        obj: KubeObject,
        fields: Mapping[str, str],
        *,
        expected: int,
        kind: str,
        precondition: Precondition | None = None,
    ) -> bytes:
        metadata = obj["metadata"]
        key = (metadata.get("namespace") or "", metadata["name"])
        labels = metadata.get("labels") or {}
        columns = (json.dumps(labels), json.dumps(fields))
        with self._lock:
            if self._closed:
                raise StoreClosed
            index = self._indexes[resource]
            entry = index.get(key)
            if (entry.id if entry else 0) != expected or not self._is_newest(precondition):
                raise StaleWrite
            row = self._version + 1
            metadata["resourceVersion"] = str(row)
            value = json.dumps(obj, separators=(",", ":")).encode()
            if kind == ADDED and self.live_bytes + len(value) > self.quota_bytes:
                raise QuotaExceeded
            self._log.append((row, resource, *key, kind, expected or None, *columns, value))
            if kind == DELETED:
                index.remove(key)
            else:
                index.put(key, Entry(row, dict(labels), dict(fields), len(value)))
            self.live_bytes += (0 if kind == DELETED else len(value)) - (entry.size if entry else 0)
            self._version = self._latest[resource] = row
            self._conditions[resource].notify_all()
            self._trim(row, len(value))
        return value

    def _is_newest(self, precondition: Precondition | None) -> bool:
        if precondition is None:
            return True
        entry = self.entry(precondition.resource, precondition.key)
        return entry is not None and entry.id == precondition.id

    def _trim(self, row: int, length: int) -> None:
        """Drop changes beyond the limits, and compact in batches. Failures are ignored: the next write tries again."""
        self._recent.append((row, length))
        self._recent_bytes += length
        while len(self._recent) > self._keep_changes or (
            self._recent_bytes > self._keep_bytes and len(self._recent) > 1
        ):
            dropped = self._recent.popleft()[1]
            self._recent_bytes -= dropped
            self._dropped_bytes += dropped
            self._dropped += 1
        if self._dropped >= _COMPACT_EVERY or self._dropped_bytes > self._keep_bytes:
            self._dropped = self._dropped_bytes = 0
            with suppress(errors.ClusterError):
                self.compact(self._recent[0][0] - 1)

    def _check_available(self, resource: str, after: int) -> None:
        if not self._floor.get(resource, 0) <= after <= self._version:
            raise Compacted
