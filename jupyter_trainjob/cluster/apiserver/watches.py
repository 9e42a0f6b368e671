"""A running watch: changes of the store become watch events, in the thread that iterates them.

First the state (for watches without a version: an ADDED for each object), then every change after it, for ever, until
the client's timeout, `close`, or the end of the store. An object that enters or leaves the watch's selector appears as
ADDED or DELETED. A watch that fell behind compaction ends with a 410 as its last event, so that clients list again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

from jupyter_trainjob.api.resources import Object, Resource
from jupyter_trainjob.cluster.apiserver import status, tables
from jupyter_trainjob.cluster.apiserver.responses import dumps
from jupyter_trainjob.cluster.store import ADDED, DELETED, MODIFIED, Change, Closed, Compacted, Predicate, Store

_TIMES = {ADDED: b"ADDED", MODIFIED: b"MODIFIED", DELETED: b"DELETED"}
_FOREVER = 365 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Watched:
    """What a client asked to watch."""

    resource: Resource
    namespace: str | None
    wanted: Predicate | None
    since: int | None
    """None: begin with the state."""
    bookmarks: bool
    timeout: int | None
    table: str | None
    """For Tables: what rows include of their object."""


class Events:
    """The chunks of one watch: whole lines, as many as there are at once."""

    def __init__(self, store: Store, watched: Watched, *, bookmark_seconds: float) -> None:
        self._store = store
        self._watched = watched
        self._bookmark_seconds = bookmark_seconds
        self._closed = Event()

    def close(self) -> None:
        """End the watch, from any thread."""
        self._closed.set()
        self._store.wake(self._watched.resource.qualified)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._run()
        except Compacted:
            gone = status.expired("too old resource version: changes after it were compacted; list again")
            yield _event(b"ERROR", dumps(gone.status))
        except Closed:
            return

    def _run(self) -> Iterator[bytes]:
        watched, store, name = self._watched, self._store, self._watched.resource.qualified
        ends = time.monotonic() + (watched.timeout or _FOREVER)
        cursor = watched.since
        if cursor is None:
            page = store.page(name, namespace=watched.namespace, wanted=watched.wanted)
            cursor = page.version
            if page.values:
                yield b"".join(self._printed(b"ADDED", value) for value in page.values)
        told = watched.since or 0
        bookmark_at = time.monotonic() + self._bookmark_seconds
        while not self._closed.is_set() and not store.closed:
            changes, cursor = store.changes(name, cursor, namespace=watched.namespace)
            lines = [(change.id, line) for change in changes if (line := self._line(change))]
            if lines:
                told = lines[-1][0]
                yield b"".join(line for _, line in lines)
            now = time.monotonic()
            if watched.bookmarks and (now >= bookmark_at or now >= ends):
                if cursor > told:
                    told = cursor
                    yield self._bookmark(cursor)
                bookmark_at = now + self._bookmark_seconds
            if now >= ends:
                return
            sleep = min(ends, bookmark_at) - now if watched.bookmarks else ends - now
            store.wait(name, cursor, timeout=min(max(sleep, 0.0), _FOREVER), cancelled=self._closed.is_set)

    def _line(self, change: Change) -> bytes:
        """Return the event that this watch sees of a change; nothing if it never saw the object."""
        kind, value = change.type, change.value
        wanted = self._watched.wanted
        if wanted is not None:
            key = (change.namespace, change.name)
            now = kind != DELETED and wanted(key, json.loads(change.labels), json.loads(change.fields))
            before = change.old_labels is not None and wanted(
                key, json.loads(change.old_labels), json.loads(change.old_fields or "{}")
            )
            if not now and not before:
                return b""
            if now != before:
                kind = ADDED if now else DELETED
                value = value if now else self._as_it_was(change)
        return self._printed(_TIMES[kind], value)

    def _as_it_was(self, change: Change) -> bytes:
        """Return the object before it left the selector, with the version of the change, as a real server does."""
        if change.type == DELETED:
            return change.value
        value = None if change.previous is None else self._store.value(change.previous)
        if value is None:
            raise Compacted
        obj = json.loads(value)
        obj["metadata"]["resourceVersion"] = str(change.id)
        return dumps(obj)

    def _printed(self, kind: bytes, value: bytes) -> bytes:
        if self._watched.table is None:
            return _event(kind, value)
        obj = json.loads(value)
        version = obj["metadata"]["resourceVersion"]
        table = tables.table(self._watched.resource, [obj], version, include=self._watched.table)
        return _event(kind, dumps(table))

    def _bookmark(self, version: int) -> bytes:
        resource = self._watched.resource
        obj: Object = {"kind": resource.kind, "apiVersion": resource.api_version}
        metadata = {"resourceVersion": str(version), "creationTimestamp": None}
        if self._watched.table is not None:
            return _event(b"BOOKMARK", dumps(tables.table(resource, [], str(version), include="None")))
        return _event(b"BOOKMARK", dumps({**obj, "metadata": metadata}))


def _event(kind: bytes, value: bytes) -> bytes:
    return b'{"type":"' + kind + b'","object":' + value + b"}\n"
