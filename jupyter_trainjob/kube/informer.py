"""A local copy of one kind of object, kept up to date by a list and a watch, as client-go's shared informers do.

Reconcilers read the copy, and handlers turn each change into keys of a work queue. One thread per informer blocks in
the watch, so that changes are dispatched immediately and an idle cluster costs nothing.

The informer recovers from errors of a watch, so that the last state of an object is never missed: if the resource
version is too old (410), a new list is compared with the copy, and the differences are dispatched as changes; after a
broken connection a new watch starts from the last version seen, with delays that double while the server is away.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from threading import Event, Lock, RLock, Thread

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject, Resource, controller_of
from jupyter_trainjob.kube.client import Client, Watch
from jupyter_trainjob.kube.workqueue import Key

_log = logging.getLogger(__name__)
_spread = random.Random()  # noqa: S311 - spreads reconnects
"""Independent of `random.seed`: watching must not change the random numbers of a notebook."""

Objects = list[KubeObject]
Handler = Callable[[KubeObject | None, KubeObject | None], None]
"""Called with the object before and after a change: None before a creation, None after a deletion."""

FIRST_PAUSE = 0.05
LAST_PAUSE = 10.0
STEADY_SECONDS = 1.0
"""A connection that lasted longer resets the delay of reconnects."""
WATCH_SECONDS = 300
"""A watch ends after one to two times this, so that a dead connection is noticed."""


class Informer:
    """A cache of one kind. Objects it returns belong to the cache: never mutate them."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
    ) -> None:
        self.resource = resource
        self._client = client
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._cache = _Cache()
        self._handlers: list[Handler] = []
        self._dispatch_lock = RLock()
        self._lifecycle_lock = Lock()
        self._synced = Event()
        self._stopped = Event()
        self._thread: Thread | None = None
        self._watch: Watch | None = None
        self._sync_error = ""
        self._sync_callbacks: list[Callable[[], None]] = []

    @property
    def synced(self) -> bool:
        """Whether the first list is in the copy."""
        return self._synced.is_set() and not self._stopped.is_set()

    @property
    def sync_error(self) -> str:
        """Error message of why the copy is not up to date; empty if it is."""
        return self._sync_error

    def start(self) -> None:
        """Start listing and watching in a thread; a second call does nothing."""
        with self._lifecycle_lock:
            if self._thread is None and not self._stopped.is_set():
                self._thread = Thread(target=self._run, name=f"informer-{self.resource.plural}", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the watch and wait for the thread. The copy stays readable; the informer cannot be started again."""
        with self._lifecycle_lock:
            self._stopped.set()
            self._synced.set()
            watch, thread = self._watch, self._thread
        if watch is not None:
            watch.close()
        if thread is not None:
            thread.join(timeout=5)

    def wait_synced(self, timeout: float) -> bool:
        """Wait until the first list is in the copy; return False after `timeout` seconds or when stopped."""
        return self._synced.wait(timeout) and not self._stopped.is_set()

    def get(self, name: str, namespace: str = "") -> KubeObject | None:
        """Return one object of the copy, or None."""
        return self._cache.get((namespace, name))

    def list(self, namespace: str | None = None) -> Objects:
        """Return all objects of the copy, or those of one namespace."""
        return self._cache.list(namespace)

    def owned_by(self, uid: str) -> Objects:
        """Return the objects whose controlling owner has this uid."""
        return self._cache.owned_by(uid)

    def on_change(self, handler: Handler) -> None:
        """Call `handler` for every change, in the informer's thread; immediately for all objects in the copy."""
        with self._dispatch_lock:
            self._handlers.append(handler)
            for obj in self._cache.list(None):
                _call(handler, None, obj)

    def on_sync_change(self, callback: Callable[[], None]) -> None:
        """Call `callback`, in the informer's thread, when `synced` or `sync_error` changes."""
        self._sync_callbacks.append(callback)

    def _run(self) -> None:
        version: str | None = None
        pause = FIRST_PAUSE
        while not self._stopped.is_set():
            started = time.monotonic()
            try:
                if version is None:
                    version = self._relist()
                for newer in self._follow(version):
                    version = newer
                    self._set_sync_error("")
            except errors.Expired:
                version = None
            except Exception as error:  # noqa: BLE001 - no connection error must end the informer
                if self._stopped.is_set():
                    return
                reason = str(error) or type(error).__name__
                if reason != self._sync_error:
                    _log.warning("watching %s: %s; trying again", self.resource.plural, reason)
                self._set_sync_error(reason)
            if time.monotonic() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE
            self._stopped.wait(pause * _spread.uniform(0.5, 1.0))
            pause = min(pause * 2, LAST_PAUSE)

    def _set_sync_error(self, error: str) -> None:
        if error != self._sync_error:
            self._sync_error = error
            self._notify_sync_change()

    def _notify_sync_change(self) -> None:
        for callback in self._sync_callbacks:
            callback()

    def _relist(self) -> str:
        listing = self._client.list(self.resource, namespace=self._namespace, labels=self._labels, fields=self._fields)
        deleted = self._cache.keys() - {key_of(obj) for obj in listing.items}
        for obj in listing.items:
            self._store(obj)
        for key in deleted:
            self._drop(key)
        if not self._synced.is_set():
            self._synced.set()
            self._notify_sync_change()
        return listing.resource_version

    def _follow(self, version: str) -> Iterator[str]:
        """Watch until the server ends it; yield the resource version of the copy after each change."""
        watch = self._client.watch(
            self.resource,
            resource_version=version,
            namespace=self._namespace,
            labels=self._labels,
            fields=self._fields,
            timeout_seconds=int(WATCH_SECONDS * _spread.uniform(1, 2)),
        )
        with self._lifecycle_lock:
            self._watch = watch
        try:
            if self._stopped.is_set():
                return
            yield version
            for event in watch:
                if event.type == "DELETED":
                    self._drop(key_of(event.object))
                elif event.type != "BOOKMARK":
                    self._store(event.object)
                yield str(event.object["metadata"]["resourceVersion"])
        finally:
            with self._lifecycle_lock:
                self._watch = None
            watch.close()

    def _store(self, obj: KubeObject) -> None:
        obj["metadata"].pop("managedFields", None)
        old = self._cache.put(obj)
        if old is None or old["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion"):
            self._dispatch(old, obj)

    def _drop(self, key: Key) -> None:
        old = self._cache.remove(key)
        if old is not None:
            self._dispatch(old, None)

    def _dispatch(self, old: KubeObject | None, new: KubeObject | None) -> None:
        with self._dispatch_lock:
            for handler in self._handlers:
                _call(handler, old, new)


class _Cache:
    """Objects by key, and keys by uid of their controlling owner."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._objects: dict[Key, KubeObject] = {}
        self._owned: dict[str, set[Key]] = {}

    def get(self, key: Key) -> KubeObject | None:
        with self._lock:
            return self._objects.get(key)

    def keys(self) -> set[Key]:
        with self._lock:
            return set(self._objects)

    def list(self, namespace: str | None) -> Objects:
        with self._lock:
            return [obj for key, obj in self._objects.items() if namespace is None or key[0] == namespace]

    def owned_by(self, uid: str) -> Objects:
        with self._lock:
            return [self._objects[key] for key in sorted(self._owned.get(uid, ()))]

    def put(self, obj: KubeObject) -> KubeObject | None:
        key, owner = key_of(obj), _owner(obj)
        with self._lock:
            old = self._objects.get(key)
            if old is not None and _owner(old) != owner:
                self._disown(key, old)
            self._objects[key] = obj
            if owner is not None:
                self._owned.setdefault(owner, set()).add(key)
            return old

    def remove(self, key: Key) -> KubeObject | None:
        with self._lock:
            old = self._objects.pop(key, None)
            if old is not None:
                self._disown(key, old)
            return old

    def _disown(self, key: Key, old: KubeObject) -> None:
        owner = _owner(old)
        if owner is not None and owner in self._owned:
            self._owned[owner].discard(key)
            if not self._owned[owner]:
                del self._owned[owner]


def key_of(obj: KubeObject) -> Key:
    """Return namespace and name of an object."""
    return str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])


def _owner(obj: KubeObject) -> str | None:
    reference = controller_of(obj)
    return None if reference is None else str(reference["uid"])


def _call(handler: Handler, old: KubeObject | None, new: KubeObject | None) -> None:
    try:
        handler(old, new)
    except Exception:  # noqa: BLE001 - a handler must not stop the informer
        _log.exception("a handler failed; the informer continues")
