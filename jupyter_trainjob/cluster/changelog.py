"""The file of the embedded cluster: one append-only table of changes in SQLite, one writer, as many readers as ask.

`store` calls it, and holds the index of what is in it. Here are only rows: appended, read back by id or range, and
compacted away once nobody may ask for them. WAL with ``synchronous=NORMAL``: what was acknowledged survives
``kill -9``; a power cut may take the last commits but never damages the file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from jupyter_trainjob import errors

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"

Key = tuple[str, str]
"""Namespace ("" for cluster-wide kinds) and name."""

FORMAT: Final = 1
"""The version of the table; a file of another one is left alone."""

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
# Up to `?1` this was done before: what those changes replaced or deleted is gone already, and need not be looked for.
_COMPACT = """
DELETE FROM log WHERE id IN (
  SELECT id FROM log WHERE id > ?1 AND id <= ?2 AND type = 'DELETED'
  UNION SELECT previous FROM log WHERE id > ?1 AND id <= ?2 AND previous IS NOT NULL
)
"""
_IDS_PER_QUERY = 500
_WAL_BYTES = 16 << 20
_BUSY_SECONDS = 30


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


class Reader:
    """A connection of one thread: it sees what is committed, or from `pin` on one moment of it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def pin(self) -> None:
        """Keep showing the present state until the reader is given back."""
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT 1 FROM log LIMIT 1").fetchone()

    def value(self, row: int) -> bytes | None:
        """Return the bytes of one row, None if it was compacted."""
        found = self._connection.execute("SELECT value FROM log WHERE id = ?", (row,)).fetchone()
        return None if found is None else bytes(found[0])

    def values(self, rows: list[int]) -> list[bytes]:
        """Return the bytes of rows that are there, in their order."""
        values: dict[int, bytes] = {}
        for start in range(0, len(rows), _IDS_PER_QUERY):
            some = rows[start : start + _IDS_PER_QUERY]
            marks = ",".join("?" * len(some))
            query = f"SELECT id, value FROM log WHERE id IN ({marks})"  # noqa: S608 - question marks only
            values.update(self._connection.execute(query, some))
        return [values[row] for row in rows]

    def changes(self, resource: str, after: int, upto: int, namespace: str | None, limit: int) -> list[Change]:
        """Return at most `limit` changes between two versions."""
        query = (resource, after, upto, namespace, namespace, limit)
        return [Change(*row) for row in self._connection.execute(_CHANGES, query)]

    def as_of(self, resource: str, version: int) -> list[tuple[Key, Entry]]:
        """Return the objects of a resource that there were at a version."""
        return _as_of(self._connection, resource, version)


class ChangeLog:
    """The table in its file. Its writer serializes the writing methods; readers may be lent in any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._readers: list[sqlite3.Connection] = []
        self._closed = False
        try:
            self._writer = self._connect()
        except sqlite3.Error as error:
            raise _unusable(path, error) from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._writer.close()
            raise _unusable(path, error) from error
        except errors.ClusterError:
            self._writer.close()
            raise

    def version(self) -> int:
        """Return the id of the newest row."""
        return int(self._writer.execute("SELECT ifnull(max(id), 0) FROM log").fetchone()[0])

    def index(self, version: int) -> dict[str, dict[Key, Entry]]:
        """Return all objects that there are, by resource."""
        resources = self._writer.execute("SELECT DISTINCT resource FROM log").fetchall()
        return {resource: dict(_as_of(self._writer, resource, version)) for (resource,) in resources}

    def newest(self) -> dict[str, int]:
        """Return the id of the newest row of each resource."""
        return dict(self._writer.execute("SELECT resource, max(id) FROM log GROUP BY resource"))

    def floors(self) -> dict[str, int]:
        """Return per resource the newest change that compaction passed."""
        return dict(self._writer.execute("SELECT resource, id FROM compacted"))

    def sizes(self, limit: int) -> list[tuple[int, int]]:
        """Return id and length of the newest rows, oldest first."""
        query = "SELECT id, length(value) FROM log ORDER BY id DESC LIMIT ?"
        return list(reversed(self._writer.execute(query, (limit,)).fetchall()))

    def append(self, row: tuple[object, ...]) -> None:
        """Write one row; `errors.ClusterError`, and nothing is written, where the disk does not take it."""
        try:
            self._writer.execute(_INSERT, row)
        except sqlite3.Error as error:
            raise _unwritable(self._path, error) from error

    def compact(self, passed: int, upto: int) -> dict[str, int]:
        """Delete what the changes after `passed` and up to `upto` replaced or deleted, and those deletions.

        Returns the newest of these changes for each resource: its new floor.
        """
        query = "SELECT resource, max(id) FROM log WHERE id > ? AND id <= ? GROUP BY resource"
        floors: dict[str, int] = dict(self._writer.execute(query, (passed, upto)).fetchall())
        self._writer.execute("BEGIN")
        try:
            self._writer.executemany("INSERT OR REPLACE INTO compacted VALUES (?, ?)", floors.items())
            self._writer.execute(_COMPACT, (passed, upto))
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise _unwritable(self._path, error) from error
        self._writer.execute("PRAGMA incremental_vacuum").fetchall()
        self._empty_wal()
        return floors

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Lend a connection of its own to each concurrent reader: reads never wait for writes."""
        with self._lock:
            if self._closed:
                raise Closed
            connection = self._readers.pop() if self._readers else None
        if connection is None:
            connection = self._connect()
        try:
            yield Reader(connection)
        finally:
            self._take_back(connection)

    def close(self) -> None:
        """Close the file; readers that are lent close theirs when they are given back."""
        with self._lock:
            self._closed = True
            for connection in self._readers:
                connection.close()
        self._writer.close()

    def _empty_wal(self) -> None:
        """Empty the write-ahead log, which holds what was deleted; while somebody reads, the next compaction does."""
        self._writer.execute("PRAGMA busy_timeout=0").fetchone()
        try:
            with suppress(sqlite3.OperationalError):
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._writer.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}").fetchone()

    def _take_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("COMMIT")
        with self._lock:
            if self._closed:
                connection.close()
            else:
                self._readers.append(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _prepare(self) -> None:
        found = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            self._writer.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._writer.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={FORMAT}; COMMIT;")
        elif found != FORMAT:
            message = (
                f"The database {self._path} has format {found}; this version reads format {FORMAT}. It belongs to "
                "another version of jupyter_trainjob: install that one, or move the file away to start empty."
            )
            raise errors.ClusterError(message)
        self._writer.execute("PRAGMA journal_mode=WAL").fetchone()
        # Secrets are stored here too: what is deleted is overwritten, not only forgotten.
        self._writer.execute("PRAGMA secure_delete=ON").fetchone()
        self._writer.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}").fetchone()


def _as_of(connection: sqlite3.Connection, resource: str, version: int) -> list[tuple[Key, Entry]]:
    return [
        ((namespace, name), Entry(row, json.loads(labels), json.loads(fields)))
        for namespace, name, kind, labels, fields, row in connection.execute(_AS_OF, (resource, version))
        if kind != DELETED
    ]


def _unusable(path: Path, error: sqlite3.Error) -> errors.ClusterError:
    message = (
        f"The database {path} cannot be used: {error}. The embedded cluster keeps its objects there. Check that the "
        "folder is on a local disk with free space and is yours; if the file itself is damaged, move it away to "
        "start empty."
    )
    return errors.ClusterError(message)


def _unwritable(path: Path, error: sqlite3.Error) -> errors.ClusterError:
    message = (
        f"The embedded cluster could not store a change in {path}: {error}. Nothing was changed. Make room on that "
        "disk, or make it writable, and try again."
    )
    return errors.ClusterError(message)
