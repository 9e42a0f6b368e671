"""The memory of the embedded cluster: an index over a log of changes, whose row ids are the resourceVersions.

The API server's request core writes final objects in; lists and watches come out as the bytes that were stored, joined
and never parsed. In memory there is only an index: what a key's newest row is, and what selectors may ask about it.

One table (`changelog`) is enough because a list is the newest row of each key, and a watch is the rows after a version:
no change can be lost or told twice between the two. Every write is one transaction, compared against the row that its
author saw (`Moved` otherwise). Old rows are compacted away, in portions that cost what the changes since the last one
cost, however much else there is; who still needs them gets `Compacted`.
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
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.changelog import ADDED, DELETED, MODIFIED, Change, ChangeLog, Closed, Entry, Key
from jupyter_trainjob.cluster.objectindex import ObjectIndex, Predicate

__all__ = [
    "ADDED",
    "DELETED",
    "MODIFIED",
    "Change",
    "Closed",
    "Compacted",
    "Entry",
    "Key",
    "Moved",
    "Page",
    "Predicate",
    "Store",
    "Within",
]

_ROWS_PER_READ = 200
_COMPACT_EVERY = 500


class Moved(Exception):
    """The key's newest row is another one than the writer saw."""


class Compacted(Exception):
    """The rows that are asked for are gone, or never were."""


class Page(NamedTuple):
    """A list, or a part of one: stored bytes in the order of their keys, as of one version."""

    version: int
    values: list[bytes]
    next: Key | None
    """The key after which the next page begins; None on the last."""
    remaining: int


class Within(NamedTuple):
    """The row of another object (a namespace) that a write counts on."""

    resource: str
    key: Key
    id: int


class Store:
    """Objects by resource (``plural.group``), namespace and name. Thread-safe; one process only."""

    def __init__(self, path: Path, *, keep_changes: int = 10_000, keep_bytes: int = 64 << 20) -> None:
        self._log = ChangeLog(path)
        self._keep_changes = keep_changes
        self._keep_bytes = keep_bytes
        self._lock = RLock()
        self._conditions: defaultdict[str, Condition] = defaultdict(lambda: Condition(self._lock))
        self._floor = self._log.floors()
        """Per resource the newest change that compaction passed: watches must begin there or later."""
        self._version = self._log.version()
        found = self._log.index(self._version)
        self._index = defaultdict(ObjectIndex, {name: ObjectIndex(entries) for name, entries in found.items()})
        self._latest: defaultdict[str, int] = defaultdict(int, self._floor | self._log.newest())
        """Per resource the id of its newest change: what sleeping watches compare with."""
        self._closed = False
        self._kept: deque[tuple[int, int]] = deque(self._log.sizes(keep_changes))
        """The newest changes, which compaction keeps, with their lengths."""
        self._kept_bytes = sum(length for _, length in self._kept)
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
        """Return what the index knows of one object."""
        index = self._index.get(resource)
        return None if index is None else index.get(key)

    def oldest(self, resource: str) -> list[tuple[int, Key]]:
        """Return all objects of a resource, row and key, in the order of their last writing."""
        with self._lock:
            return self._index[resource].oldest()

    def get(self, resource: str, key: Key) -> tuple[int, bytes] | None:
        """Return the newest version of one object and its bytes."""
        with self._log.reader() as reader:
            while True:
                entry = self.entry(resource, key)
                if entry is None:
                    return None
                value = reader.value(entry.id)
                if value is not None:  # else it was replaced and compacted since
                    return entry.id, value

    def page(
        self,
        resource: str,
        *,
        namespace: str | None = None,
        wanted: Predicate | None = None,
        limit: int = 0,
        after: Key | None = None,
        at: int | None = None,
    ) -> Page:
        """Return the objects of a resource in one consistent view.

        `limit` and `after` cut it into pages; `at` asks for the view of an older version, so that pages fit together.
        Raises `Compacted` where that version is gone.
        """
        with self._log.reader() as reader:
            with self._lock:  # pin the reader's view to the version that the index shows
                reader.pin()
                version = self._version if at is None else at
                if at is not None:
                    self._check(resource, at)
                entries = self._index[resource].candidates(namespace, wanted)
            if at is not None:
                entries = reader.as_of(resource, at)
            found = sorted(
                (key, entry.id)
                for key, entry in entries
                if (namespace is None or key[0] == namespace)
                and (wanted is None or wanted(key, entry.labels, entry.fields))
            )
            if after is not None:
                found = found[bisect.bisect_right(found, after, key=lambda pair: pair[0]) :]
            page = found[:limit] if limit else found
            values = reader.values([row for _, row in page])
        remaining = len(found) - len(page)
        return Page(version, values, page[-1][0] if remaining else None, remaining)

    def put(
        self, resource: str, obj: Object, *, fields: Mapping[str, str], expected: int, within: Within | None = None
    ) -> bytes:
        """Write an object over the row `expected` (0: there is none yet); its resourceVersion becomes the new row's id.

        Returns the stored bytes. Raises `Moved` if the newest row is another, or that of `within` is.
        """
        return self._append(
            resource, obj, fields, expected=expected, kind=MODIFIED if expected else ADDED, within=within
        )

    def delete(self, resource: str, obj: Object, *, fields: Mapping[str, str], expected: int) -> bytes:
        """Write the end of an object, with its last state, over the row `expected`."""
        return self._append(resource, obj, fields, expected=expected, kind=DELETED)

    def changes(
        self, resource: str, after: int, *, namespace: str | None = None, limit: int = _ROWS_PER_READ
    ) -> tuple[list[Change], int]:
        """Return changes after a version, in order, and the version up to which they are complete.

        Raises `Compacted` if some of them are gone, or the version lies in the future (of a log that was lost).
        """
        with self._lock:
            self._check(resource, after)
            upto = self._version
            if self._latest[resource] <= after:
                return [], upto
        with self._log.reader() as reader:
            found = reader.changes(resource, after, upto, namespace, limit)
        with self._lock:
            self._check(resource, after)
        return found, found[-1].id if len(found) == limit else upto

    def wait(self, resource: str, after: int, *, timeout: float, cancelled: Callable[[], bool]) -> None:
        """Sleep until the resource has a change after a version, `cancelled` is true, or the store is closed."""
        with self._lock:
            condition = self._conditions[resource]
            condition.wait_for(lambda: self._closed or cancelled() or self._latest[resource] > after, timeout)

    def wake(self, resource: str) -> None:
        """Let all who `wait` look at their `cancelled` again."""
        with self._lock:
            self._conditions[resource].notify_all()

    def value(self, row: int) -> bytes | None:
        """Return the bytes of one row of the log, None if it was compacted."""
        with self._log.reader() as reader:
            return reader.value(row)

    def compact(self, upto: int) -> None:
        """Forget what was replaced or deleted up to a version; the newest row of the log always stays."""
        with self._lock:
            upto, passed = min(upto, self._version - 1), max(self._floor.values(), default=0)
            if upto > passed:
                self._floor.update(self._log.compact(passed, upto))

    def close(self) -> None:
        """Wake all who wait, and close the file."""
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
        obj: Object,
        fields: Mapping[str, str],
        *,
        expected: int,
        kind: str,
        within: Within | None = None,
    ) -> bytes:
        metadata = obj["metadata"]
        key = (metadata.get("namespace") or "", metadata["name"])
        labels = metadata.get("labels") or {}
        columns = (json.dumps(labels), json.dumps(fields))
        with self._lock:
            if self._closed:
                raise Closed
            index = self._index[resource]
            entry = index.get(key)
            if (entry.id if entry else 0) != expected or not self._is_newest(within):
                raise Moved
            row = self._version + 1
            metadata["resourceVersion"] = str(row)
            value = json.dumps(obj, separators=(",", ":")).encode()
            self._log.append((row, resource, *key, kind, expected or None, *columns, value))
            if kind == DELETED:
                index.drop(key)
            else:
                index.put(key, Entry(row, dict(labels), dict(fields)))
            self._version = self._latest[resource] = row
            self._conditions[resource].notify_all()
            self._keep(row, len(value))
        return value

    def _is_newest(self, within: Within | None) -> bool:
        if within is None:
            return True
        entry = self.entry(within.resource, within.key)
        return entry is not None and entry.id == within.id

    def _keep(self, row: int, length: int) -> None:
        """Keep the newest changes, as many as fit into both limits. A failure is not the writer's: it comes again."""
        self._kept.append((row, length))
        self._kept_bytes += length
        while len(self._kept) > self._keep_changes or (self._kept_bytes > self._keep_bytes and len(self._kept) > 1):
            dropped = self._kept.popleft()[1]
            self._kept_bytes -= dropped
            self._dropped_bytes += dropped
            self._dropped += 1
        if self._dropped >= _COMPACT_EVERY or self._dropped_bytes > self._keep_bytes:
            self._dropped = self._dropped_bytes = 0
            with suppress(errors.ClusterError):
                self.compact(self._kept[0][0] - 1)

    def _check(self, resource: str, after: int) -> None:
        if not self._floor.get(resource, 0) <= after <= self._version:
            raise Compacted
