"""The memory of the embedded cluster: one append-only log of changes in SQLite, whose row id is the resourceVersion.

The API server's request core writes final objects in; lists and watches come out as the bytes that were stored, joined
and never parsed. In memory there is only an index: what a key's newest row is, and what selectors may ask about it.

One table is enough because a list is the newest row of each key, and a watch is the rows after a version: no change
can be lost or told twice between the two. Every write is one transaction, compared against the row that its author
saw (`Moved` otherwise). WAL with ``synchronous=NORMAL``: what was acknowledged survives ``kill -9``; a power cut may
take the last commits but never damages the file. Old rows are compacted away; who still needs them gets `Compacted`.
"""

from __future__ import annotations

import bisect
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, RLock
from typing import Final, NamedTuple

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"

Key = tuple[str, str]
"""Namespace ("" for cluster-wide kinds) and name."""

_FORMAT = 1
_SCHEMA = """
CREATE TABLE log (
  id INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
  previous INTEGER, labels TEXT NOT NULL, fields TEXT NOT NULL, value BLOB NOT NULL
);
CREATE INDEX log_by_resource ON log (resource, id);
CREATE INDEX log_by_key ON log (resource, namespace, name, id);
CREATE TABLE compacted (resource TEXT PRIMARY KEY, id INTEGER NOT NULL);
"""
_INSERT = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CHANGES = """
SELECT l.id, l.type, l.namespace, l.name, l.labels, l.fields, p.labels, p.fields, l.previous, l.value
FROM log l LEFT JOIN log p ON p.id = l.previous
WHERE l.resource = ? AND l.id > ? AND l.id <= ? AND (? IS NULL OR l.namespace = ?) ORDER BY l.id LIMIT ?
"""
# SQLite fills bare columns beside max() from the row that has the maximum.
_AS_OF = """
SELECT namespace, name, type, labels, fields, max(id) FROM log WHERE resource = ? AND id <= ? GROUP BY namespace, name
"""
_COMPACT = """
DELETE FROM log WHERE id <= ?1
AND (type = 'DELETED' OR id IN (SELECT previous FROM log WHERE id <= ?1 AND previous IS NOT NULL))
"""
_ROWS_PER_READ = 200
_IDS_PER_QUERY = 500
_COMPACT_EVERY = 500


class Moved(Exception):
    """The key's newest row is another one than the writer saw."""


class Compacted(Exception):
    """The rows that are asked for are gone, or never were."""


class Closed(Exception):
    """The store was closed: the daemon is ending."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index knows of one object."""

    id: int
    labels: Mapping[str, str]
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the log. Labels and fields are JSON as stored; the old ones are None for an addition."""

    id: int
    type: str
    namespace: str
    name: str
    labels: str
    fields: str
    old_labels: str | None
    old_fields: str | None
    previous: int | None
    value: bytes


class Page(NamedTuple):
    """A list, or a part of one: stored bytes in the order of their keys, as of one version."""

    version: int
    values: list[bytes]
    next: Key | None
    """The key after which the next page begins; None on the last."""
    remaining: int


Predicate = Callable[[Key, Mapping[str, str], Mapping[str, str]], bool]
"""Whether a key with these labels and fields is wanted."""


class Store:
    """Objects by resource (``plural.group``), namespace and name. Thread-safe; one process only."""

    def __init__(self, path: Path, *, keep_changes: int = 10_000, keep_bytes: int = 64 << 20) -> None:
        self._path = path
        self._keep_changes = keep_changes
        self._keep_bytes = keep_bytes
        self._lock = RLock()
        self._conditions: defaultdict[str, Condition] = defaultdict(lambda: Condition(self._lock))
        self._index: defaultdict[str, dict[Key, Entry]] = defaultdict(dict)
        self._latest: defaultdict[str, int] = defaultdict(int)
        """Per resource the id of its newest change: what sleeping watches compare with."""
        self._floor: dict[str, int] = {}
        """Per resource the newest change that compaction passed: watches must begin there or later."""
        self._version = 0
        self._closed = False
        self._rows_since = self._bytes_since = 0
        self._readers: list[sqlite3.Connection] = []
        try:
            self._writer = self._connect()
        except sqlite3.Error as error:
            raise _unusable(path, error) from error
        try:
            self._load()
        except sqlite3.Error as error:
            self._writer.close()
            raise _unusable(path, error) from error
        except errors.ClusterError:
            self._writer.close()
            raise

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
        return self._index.get(resource, {}).get(key)

    def get(self, resource: str, key: Key) -> tuple[int, bytes] | None:
        """Return the newest version of one object and its bytes."""
        with self._reader() as connection:
            while True:
                entry = self.entry(resource, key)
                if entry is None:
                    return None
                row = connection.execute("SELECT value FROM log WHERE id = ?", (entry.id,)).fetchone()
                if row is not None:  # else it was replaced and compacted since
                    return entry.id, row[0]

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
        with self._reader() as connection:
            with self._lock:  # pin the reader's view to the version that the index shows
                connection.execute("BEGIN")
                connection.execute("SELECT 1 FROM log LIMIT 1").fetchone()
                version = self._version if at is None else at
                if at is not None and not self._floor.get(resource, 0) <= at <= self._version:
                    connection.execute("COMMIT")
                    raise Compacted
                entries = list(self._index.get(resource, {}).items())
            try:
                if at is not None:
                    entries = _as_of(connection, resource, at)
                found = sorted(
                    (key, entry.id)
                    for key, entry in entries
                    if (namespace is None or key[0] == namespace)
                    and (wanted is None or wanted(key, entry.labels, entry.fields))
                )
                if after is not None:
                    found = found[bisect.bisect_right(found, after, key=lambda pair: pair[0]) :]
                page = found[:limit] if limit else found
                values = _values(connection, [row for _, row in page])
            finally:
                connection.execute("COMMIT")
        remaining = len(found) - len(page)
        return Page(version, values, page[-1][0] if remaining else None, remaining)

    def put(self, resource: str, obj: Object, *, fields: Mapping[str, str], expected: int) -> bytes:
        """Write an object over the row `expected` (0: there is none yet); its resourceVersion becomes the new row's id.

        Returns the stored bytes. Raises `Moved` if the newest row is another.
        """
        return self._append(resource, obj, fields, expected, MODIFIED if expected else ADDED)

    def delete(self, resource: str, obj: Object, *, fields: Mapping[str, str], expected: int) -> bytes:
        """Write the end of an object, with its last state, over the row `expected`."""
        return self._append(resource, obj, fields, expected, DELETED)

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
        with self._reader() as connection:
            rows = connection.execute(_CHANGES, (resource, after, upto, namespace, namespace, limit)).fetchall()
        with self._lock:
            self._check(resource, after)
        return [Change(*row) for row in rows], rows[-1][0] if len(rows) == limit else upto

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
        with self._reader() as connection:
            found = connection.execute("SELECT value FROM log WHERE id = ?", (row,)).fetchone()
        return None if found is None else bytes(found[0])

    def compact(self, upto: int) -> None:
        """Forget what was replaced or deleted up to a version; the newest row of the log always stays."""
        with self._lock:
            upto = min(upto, self._version - 1)
            found = self._writer.execute(
                "SELECT resource, max(id) FROM log WHERE id <= ? GROUP BY resource", (upto,)
            ).fetchall()
            # The change that an earlier compaction passed last may be gone itself: a floor never sinks.
            passed = [(resource, max(row, self._floor.get(resource, 0))) for resource, row in found]
            self._writer.execute("BEGIN")
            try:
                self._writer.executemany("INSERT OR REPLACE INTO compacted VALUES (?, ?)", passed)
                self._writer.execute(_COMPACT, (upto,))
                self._writer.execute("COMMIT")
            except sqlite3.Error:
                self._writer.execute("ROLLBACK")
                raise
            self._floor.update(passed)
            self._writer.execute("PRAGMA incremental_vacuum").fetchall()

    def close(self) -> None:
        """Wake all who wait, and close the file."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for condition in self._conditions.values():
                condition.notify_all()
            for connection in self._readers:
                connection.close()
            self._writer.close()

    def _append(self, resource: str, obj: Object, fields: Mapping[str, str], expected: int, kind: str) -> bytes:
        metadata = obj["metadata"]
        key = (metadata.get("namespace") or "", metadata["name"])
        labels = metadata.get("labels") or {}
        columns = (json.dumps(labels), json.dumps(fields))
        with self._lock:
            if self._closed:
                raise Closed
            entries = self._index[resource]
            entry = entries.get(key)
            if (entry.id if entry else 0) != expected:
                raise Moved
            row = self._version + 1
            metadata["resourceVersion"] = str(row)
            value = json.dumps(obj, separators=(",", ":")).encode()
            self._writer.execute(_INSERT, (row, resource, *key, kind, expected or None, *columns, value))
            if kind == DELETED:
                del entries[key]
            else:
                entries[key] = Entry(row, dict(labels), dict(fields))
            self._version = self._latest[resource] = row
            self._conditions[resource].notify_all()
            self._rows_since += 1
            self._bytes_since += len(value)
            if self._rows_since >= _COMPACT_EVERY or self._bytes_since > self._keep_bytes:
                self._rows_since = self._bytes_since = 0
                self._compact_by_size()
        return value

    def _compact_by_size(self) -> None:
        """Keep the newest changes, as many as fit into both limits. A failure is not the writer's: it comes again."""
        size = 0
        kept = self._version
        for row, length in self._writer.execute("SELECT id, length(value) FROM log ORDER BY id DESC"):
            size += length
            if self._version - row >= self._keep_changes or size > self._keep_bytes:
                break
            kept = row
        else:
            return
        with suppress(sqlite3.Error):
            self.compact(kept - 1)

    def _check(self, resource: str, after: int) -> None:
        if not self._floor.get(resource, 0) <= after <= self._version:
            raise Compacted

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None, timeout=30)
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection of its own to each concurrent reader: reads never wait for writes."""
        with self._lock:
            if self._closed:
                raise Closed
            connection = self._readers.pop() if self._readers else self._connect()
        try:
            yield connection
        finally:
            with self._lock:
                if self.closed:
                    connection.close()
                else:
                    self._readers.append(connection)

    def _load(self) -> None:
        found = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            self._writer.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._writer.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={_FORMAT}; COMMIT;")
        elif found != _FORMAT:
            message = (
                f"The database {self._path} has format {found}; this version reads format {_FORMAT}. It belongs to "
                "another version of jupyter_trainjob: install that one, or move the file away to start empty."
            )
            raise errors.ClusterError(message)
        self._writer.execute("PRAGMA journal_mode=WAL").fetchone()
        self._writer.execute(f"PRAGMA journal_size_limit={16 << 20}").fetchone()
        self._floor = dict(self._writer.execute("SELECT resource, id FROM compacted"))
        self._version = self._writer.execute("SELECT ifnull(max(id), 0) FROM log").fetchone()[0]
        for (resource,) in self._writer.execute("SELECT DISTINCT resource FROM log").fetchall():
            self._index[resource] = dict(_as_of(self._writer, resource, self._version))
        self._latest.update(self._floor)
        self._latest.update(self._writer.execute("SELECT resource, max(id) FROM log GROUP BY resource"))


def _as_of(connection: sqlite3.Connection, resource: str, version: int) -> list[tuple[Key, Entry]]:
    return [
        ((namespace, name), Entry(row, json.loads(labels), json.loads(fields)))
        for namespace, name, kind, labels, fields, row in connection.execute(_AS_OF, (resource, version))
        if kind != DELETED
    ]


def _values(connection: sqlite3.Connection, rows: list[int]) -> list[bytes]:
    values: dict[int, bytes] = {}
    for start in range(0, len(rows), _IDS_PER_QUERY):
        some = rows[start : start + _IDS_PER_QUERY]
        marks = ",".join("?" * len(some))
        values.update(connection.execute(f"SELECT id, value FROM log WHERE id IN ({marks})", some))  # noqa: S608
    return [values[row] for row in rows]


def _unusable(path: Path, error: sqlite3.Error) -> errors.ClusterError:
    message = (
        f"The database {path} cannot be used: {error}. The embedded cluster keeps its objects there. Check that the "
        "folder is on a local disk with free space and is yours; if the file itself is damaged, move it away to "
        "start empty."
    )
    return errors.ClusterError(message)
