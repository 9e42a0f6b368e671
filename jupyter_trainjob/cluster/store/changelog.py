"""The append-only log of changes in SQLite: one writer, any number of readers.

`object_store` keeps an index of its newest rows. This module only appends rows, reads them by id or range, and deletes
them at compaction. WAL mode with ``synchronous=NORMAL``: acknowledged writes survive ``kill -9``; a power cut may lose
the last commits but does not damage the file (https://www.sqlite.org/pragma.html#pragma_synchronous).
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
"""Version of the schema (``user_version``); a file of another version is rejected and not changed."""

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
# SQLite takes bare columns beside max() from the row with the maximum (https://www.sqlite.org/lang_select.html).
_ENTRIES_AT = """
SELECT namespace, name, type, labels, fields, length(value), max(id) FROM log
WHERE resource = ? AND id <= ? GROUP BY namespace, name
"""
# Rows up to `?1` were compacted before: only later changes can refer to rows that are still in the table.
_COMPACT = """
DELETE FROM log WHERE id IN (
  SELECT id FROM log WHERE id > ?1 AND id <= ?2 AND type = 'DELETED'
  UNION SELECT previous FROM log WHERE id > ?1 AND id <= ?2 AND previous IS NOT NULL
)
"""
_IDS_PER_QUERY = 500
_WAL_BYTES = 16 << 20
_BUSY_SECONDS = 30


class StoreClosed(Exception):
    """The store was closed: the daemon is shutting down."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Index entry of one object: its newest row, labels, selectable fields and size."""

    id: int
    labels: Mapping[str, str]
    fields: Mapping[str, str]
    size: int = 0
    """Bytes of the object."""


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
    """A read connection for one thread. It reads the newest commit or, after `pin`, one snapshot."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def pin(self) -> None:
        """Read from the present snapshot until the reader is returned."""
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT 1 FROM log LIMIT 1").fetchone()

    def value(self, row: int) -> bytes | None:
        """Return the bytes of one row, None if it was compacted."""
        row_value = self._connection.execute("SELECT value FROM log WHERE id = ?", (row,)).fetchone()
        return None if row_value is None else bytes(row_value[0])

    def values(self, rows: list[int]) -> list[bytes]:
        """Return the bytes of existing rows, in the order of `rows`."""
        values: dict[int, bytes] = {}
        for start in range(0, len(rows), _IDS_PER_QUERY):
            chunk = rows[start : start + _IDS_PER_QUERY]
            placeholders = ",".join("?" * len(chunk))
            query = f"SELECT id, value FROM log WHERE id IN ({placeholders})"  # noqa: S608 - question marks only
            values.update(self._connection.execute(query, chunk))
        return [values[row] for row in rows]

    def changes(self, resource: str, after: int, upto: int, namespace: str | None, limit: int) -> list[Change]:
        """Return at most `limit` changes of a resource with `after` < id <= `upto`, in all namespaces if None."""
        query = (resource, after, upto, namespace, namespace, limit)
        return [Change(*row) for row in self._connection.execute(_CHANGES, query)]

    def entries_at(self, resource: str, version: int) -> list[tuple[Key, Entry]]:
        """Return the objects of a resource that existed at a version."""
        return _entries_at(self._connection, resource, version)


class ChangeLog:
    """The database file. Writing methods must be serialized by the caller; `reader` may be used in any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._readers: list[sqlite3.Connection] = []
        self._closed = False
        try:
            self._writer = self._connect()
        except sqlite3.Error as error:
            raise _unusable_error(path, error) from error
        try:
            self._create_schema()
        except sqlite3.Error as error:
            self._writer.close()
            raise _unusable_error(path, error) from error
        except errors.ClusterError:
            self._writer.close()
            raise

    def version(self) -> int:
        """Return the id of the newest row."""
        return int(self._writer.execute("SELECT ifnull(max(id), 0) FROM log").fetchone()[0])

    def entries(self, version: int) -> dict[str, dict[Key, Entry]]:
        """Return the index entries of all objects at a version, by resource."""
        resources = self._writer.execute("SELECT DISTINCT resource FROM log").fetchall()
        return {resource: dict(_entries_at(self._writer, resource, version)) for (resource,) in resources}

    def newest_ids(self) -> dict[str, int]:
        """Return the id of the newest row of each resource."""
        return dict(self._writer.execute("SELECT resource, max(id) FROM log GROUP BY resource"))

    def floors(self) -> dict[str, int]:
        """Return the newest compacted id of each resource."""
        return dict(self._writer.execute("SELECT resource, id FROM compacted"))

    def newest_sizes(self, limit: int) -> list[tuple[int, int]]:
        """Return id and length in bytes of the newest `limit` rows, oldest first."""
        query = "SELECT id, length(value) FROM log ORDER BY id DESC LIMIT ?"
        return list(reversed(self._writer.execute(query, (limit,)).fetchall()))

    def append(self, row: tuple[object, ...]) -> None:
        """Write one row. Raises `errors.ClusterError`, with nothing written, if the disk is full or read-only."""
        try:
            self._writer.execute(_INSERT, row)
        except sqlite3.Error as error:
            raise _unwritable_error(self._path, error) from error

    def compact(self, passed: int, upto: int) -> dict[str, int]:
        """Delete the rows that changes with `passed` < id <= `upto` replaced or deleted, and the deletions among them.

        Returns for each resource the newest of these changes: its new floor.
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
            raise _unwritable_error(self._path, error) from error
        self._writer.execute("PRAGMA incremental_vacuum").fetchall()
        self._truncate_wal()
        return floors

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Lend a connection from the pool: one for each concurrent reader, so that reads never wait for writes."""
        with self._lock:
            if self._closed:
                raise StoreClosed
            connection = self._readers.pop() if self._readers else None
        if connection is None:
            connection = self._connect()
        try:
            yield Reader(connection)
        finally:
            self._return(connection)

    def close(self) -> None:
        """Close the file; connections in use are closed when they are returned."""
        with self._lock:
            self._closed = True
            for connection in self._readers:
                connection.close()
        self._writer.close()

    def _truncate_wal(self) -> None:
        """Truncate the write-ahead log, which still holds deleted data; skipped while a reader is active."""
        self._writer.execute("PRAGMA busy_timeout=0").fetchone()
        try:
            with suppress(sqlite3.OperationalError):
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._writer.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}").fetchone()

    def _return(self, connection: sqlite3.Connection) -> None:
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

    def _create_schema(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._writer.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._writer.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={FORMAT}; COMMIT;")
        elif version != FORMAT:
            message = (
                f"The database {self._path} has format {version}; this version reads format {FORMAT}. It belongs to "
                "another version of jupyter_trainjob: install that one, or move the file away to start empty."
            )
            raise errors.ClusterError(message)
        self._writer.execute("PRAGMA journal_mode=WAL").fetchone()
        # Secrets are stored here too: overwrite deleted content.
        self._writer.execute("PRAGMA secure_delete=ON").fetchone()
        self._writer.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}").fetchone()


def _entries_at(connection: sqlite3.Connection, resource: str, version: int) -> list[tuple[Key, Entry]]:
    return [
        ((namespace, name), Entry(row, json.loads(labels), json.loads(fields), size))
        for namespace, name, kind, labels, fields, size, row in connection.execute(_ENTRIES_AT, (resource, version))
        if kind != DELETED
    ]


def _unusable_error(path: Path, error: sqlite3.Error) -> errors.ClusterError:
    message = (
        f"The database {path} cannot be used: {error}. The embedded cluster keeps its objects there. Check that the "
        "folder is on a local disk with free space and is yours; if the file itself is damaged, move it away to "
        "start empty."
    )
    return errors.ClusterError(message)


def _unwritable_error(path: Path, error: sqlite3.Error) -> errors.ClusterError:
    message = (
        f"The embedded cluster could not store a change in {path}: {error}. Nothing was changed. Make room on that "
        "disk, or make it writable, and try again."
    )
    return errors.ClusterError(message)
