"""A running watch: turns changes of the store into watch events, in the thread that iterates them.

A watch without a version begins with an ADDED event for each object. Then every change follows, until the client's
timeout, `close`, or the end of the store. An object that starts or stops to match the selector appears as ADDED or
DELETED. A watch that falls behind compaction ends with an error event (410), so that the client lists again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

from jupyter_trainjob.api.resources import KubeObject, Resource
from jupyter_trainjob.cluster.apiserver import status_errors, tables
from jupyter_trainjob.cluster.apiserver.responses import dump_json
from jupyter_trainjob.cluster.store.object_store import (
    ADDED,
    DELETED,
    MODIFIED,
    Change,
    Compacted,
    Predicate,
    Store,
    StoreClosed,
)

_EVENT_TYPES = {ADDED: b"ADDED", MODIFIED: b"MODIFIED", DELETED: b"DELETED"}
_FOREVER = 365 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The parameters of a watch."""

    resource: Resource
    namespace: str | None
    predicate: Predicate | None
    since: int | None
    """The version to start after; None: begin with the current objects."""
    bookmarks: bool
    timeout: int | None
    table: str | None
    """For Tables, ``includeObject``; None for objects."""


class WatchEvents:
    """The chunks of one watch: complete lines, all available ones in each."""

    def __init__(self, store: Store, options: WatchOptions, *, bookmark_seconds: float) -> None:
        self._store = store
        self._options = options
        self._bookmark_seconds = bookmark_seconds
        self._closed = Event()

    def close(self) -> None:
        """End the watch; callable from any thread."""
        self._closed.set()
        self._store.wake(self._options.resource.qualified)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._run()
        except Compacted:
            error = status_errors.expired("too old resource version: changes after it were compacted; list again")
            yield _format_line(b"ERROR", dump_json(error.status))
        except StoreClosed:
            return

    def _run(self) -> Iterator[bytes]:
        options, store, name = self._options, self._store, self._options.resource.qualified
        deadline = time.monotonic() + (options.timeout or _FOREVER)
        cursor = options.since
        if cursor is None:
            page = store.page(name, namespace=options.namespace, predicate=options.predicate)
            cursor = page.version
            if page.values:
                yield b"".join(self._format_event(b"ADDED", value) for value in page.values)
        sent_version = options.since or 0
        bookmark_at = time.monotonic() + self._bookmark_seconds
        while not self._closed.is_set() and not store.closed:
            changes, cursor = store.changes(name, cursor, namespace=options.namespace)
            lines = [(change.id, line) for change in changes if (line := self._event_line(change))]
            if lines:
                sent_version = lines[-1][0]
                yield b"".join(line for _, line in lines)
            now = time.monotonic()
            if options.bookmarks and (now >= bookmark_at or now >= deadline):
                if cursor > sent_version:
                    sent_version = cursor
                    yield self._bookmark(cursor)
                bookmark_at = now + self._bookmark_seconds
            if now >= deadline:
                return
            timeout = min(deadline, bookmark_at) - now if options.bookmarks else deadline - now
            store.wait(name, cursor, timeout=min(max(timeout, 0.0), _FOREVER), cancelled=self._closed.is_set)

    def _event_line(self, change: Change) -> bytes:
        """Return the event for a change as a line; empty if the object matches neither before nor after it."""
        kind, value = change.type, change.value
        predicate = self._options.predicate
        if predicate is not None:
            key = (change.namespace, change.name)
            matches = kind != DELETED and predicate(key, json.loads(change.labels), json.loads(change.fields))
            matched = change.old_labels is not None and predicate(
                key, json.loads(change.old_labels), json.loads(change.old_fields or "{}")
            )
            if not matches and not matched:
                return b""
            if matches != matched:
                kind = ADDED if matches else DELETED
                value = value if matches else self._previous_value(change)
        return self._format_event(_EVENT_TYPES[kind], value)

    def _previous_value(self, change: Change) -> bytes:
        """Return the object before it stopped matching, with the version of the change, as a real server does."""
        if change.type == DELETED:
            return change.value
        value = None if change.previous is None else self._store.value(change.previous)
        if value is None:
            raise Compacted
        obj = json.loads(value)
        obj["metadata"]["resourceVersion"] = str(change.id)
        return dump_json(obj)

    def _format_event(self, kind: bytes, value: bytes) -> bytes:
        if self._options.table is None:
            return _format_line(kind, value)
        obj = json.loads(value)
        version = obj["metadata"]["resourceVersion"]
        table = tables.build_table(self._options.resource, [obj], version, include=self._options.table)
        return _format_line(kind, dump_json(table))

    def _bookmark(self, version: int) -> bytes:
        resource = self._options.resource
        obj: KubeObject = {"kind": resource.kind, "apiVersion": resource.api_version}
        metadata = {"resourceVersion": str(version), "creationTimestamp": None}
        if self._options.table is not None:
            return _format_line(b"BOOKMARK", dump_json(tables.build_table(resource, [], str(version), include="None")))
        return _format_line(b"BOOKMARK", dump_json({**obj, "metadata": metadata}))


def _format_line(kind: bytes, value: bytes) -> bytes:
    return b'{"type":"' + kind + b'","object":' + value + b"}\n"
