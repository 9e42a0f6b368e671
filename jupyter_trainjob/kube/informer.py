"""A local copy of one kind of object, kept up to date by a list and a watch, as client-go's shared informers do.

Objects come in from the API server through `kube.client`; reconcilers read the copy, and handlers turn each change into
keys of a work queue. One thread per informer sleeps in the watch: a change is handed on as soon as it arrives, and an
idle cluster costs nothing.

What may go wrong with a watch heals here, so that nobody above ever misses the last state of an object: a version that
is too old (410) is answered by a new list, whose differences to the copy become changes; a broken connection by a new
watch from the last version seen, after a pause that doubles while the server does not answer.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from threading import Event, Lock, RLock, Thread

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object, Resource, controller_of
from jupyter_trainjob.kube.client import Client, Watch
from jupyter_trainjob.kube.workqueue import Key

_log = logging.getLogger(__name__)

Objects = list[Object]
Handler = Callable[[Object | None, Object | None], None]
"""Called with the object before and after a change: None before a creation, None after a deletion."""

FIRST_PAUSE = 0.05
LAST_PAUSE = 10.0
STEADY_SECONDS = 1.0
"""A connection that lasted longer worked: the next pause is a short one again."""
WATCH_SECONDS = 300
"""A watch ends by itself after one to two times this, so that a connection that died silently is noticed."""


class Informer:
    """A cache of one kind. Objects handed out belong to the cache: never mutate them."""

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
        self._dispatching = RLock()
        self._life = Lock()
        self._synced = Event()
        self._stopped = Event()
        self._thread: Thread | None = None
        self._watch: Watch | None = None
        self._trouble = ""
        self._on_trouble: list[Callable[[], None]] = []

    @property
    def synced(self) -> bool:
        """Whether the first list is in the copy."""
        return self._synced.is_set() and not self._stopped.is_set()

    @property
    def trouble(self) -> str:
        """Why the copy is not up to date, in words; empty while it is."""
        return self._trouble

    def start(self) -> None:
        """Begin to list and watch, in a thread of its own. Starting twice is starting once."""
        with self._life:
            if self._thread is None and not self._stopped.is_set():
                self._thread = Thread(target=self._run, name=f"informer-{self.resource.plural}", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the watch and wait for the thread. The copy stays readable; a stopped informer does not start again."""
        with self._life:
            self._stopped.set()
            self._synced.set()
            watch, thread = self._watch, self._thread
        if watch is not None:
            watch.close()
        if thread is not None:
            thread.join(timeout=5)

    def wait_synced(self, timeout: float) -> bool:
        """Wait until the first list is in the copy; False if that took longer or the informer was stopped."""
        return self._synced.wait(timeout) and not self._stopped.is_set()

    def get(self, name: str, namespace: str = "") -> Object | None:
        """Return one object of the copy, or None."""
        return self._cache.get((namespace, name))

    def list(self, namespace: str | None = None) -> Objects:
        """Return all objects of the copy, or those of one namespace."""
        return self._cache.list(namespace)

    def owned_by(self, uid: str) -> Objects:
        """Return the objects whose controlling owner has this uid."""
        return self._cache.owned_by(uid)

    def on_change(self, handler: Handler) -> None:
        """Call `handler` for every change, in the informer's thread; at once for what is there already."""
        with self._dispatching:
            self._handlers.append(handler)
            for obj in self._cache.list(None):
                _call(handler, None, obj)

    def on_trouble(self, callback: Callable[[], None]) -> None:
        """Call `callback`, in the informer's thread, when `synced` or `trouble` has become another."""
        self._on_trouble.append(callback)

    def _run(self) -> None:
        version: str | None = None
        pause = FIRST_PAUSE
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                if version is None:
                    version = self._relist()
                for seen in self._follow(version):
                    version = seen
                    self._tell("")
            except errors.Expired:
                version = None
            except Exception as error:  # noqa: BLE001 - whatever breaks a connection must not end the informer
                if self._stopped.is_set():
                    return
                why = str(error) or type(error).__name__
                if why != self._trouble:
                    _log.warning("watching %s: %s; trying again", self.resource.plural, why)
                self._tell(why)
            if time.monotonic() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE
            self._stopped.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects
            pause = min(pause * 2, LAST_PAUSE)

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._call_back()

    def _call_back(self) -> None:
        for callback in self._on_trouble:
            callback()

    def _relist(self) -> str:
        found = self._client.list(self.resource, namespace=self._namespace, labels=self._labels, fields=self._fields)
        gone = self._cache.keys() - {key_of(obj) for obj in found.items}
        for obj in found.items:
            self._store(obj)
        for key in gone:
            self._drop(key)
        if not self._synced.is_set():
            self._synced.set()
            self._call_back()
        return found.resource_version

    def _follow(self, version: str) -> Iterator[str]:
        """Watch until the server ends it; yield the version up to which the copy is complete."""
        watch = self._client.watch(
            self.resource,
            resource_version=version,
            namespace=self._namespace,
            labels=self._labels,
            fields=self._fields,
            timeout_seconds=int(WATCH_SECONDS * random.uniform(1, 2)),  # noqa: S311 - spreads reconnects
        )
        with self._life:
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
            with self._life:
                self._watch = None
            watch.close()

    def _store(self, obj: Object) -> None:
        obj["metadata"].pop("managedFields", None)
        old = self._cache.put(obj)
        if old is None or old["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion"):
            self._dispatch(old, obj)

    def _drop(self, key: Key) -> None:
        old = self._cache.remove(key)
        if old is not None:
            self._dispatch(old, None)

    def _dispatch(self, old: Object | None, new: Object | None) -> None:
        with self._dispatching:
            for handler in self._handlers:
                _call(handler, old, new)


class _Cache:
    """Objects by key, and the keys that each controlling owner has."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._objects: dict[Key, Object] = {}
        self._owned: dict[str, set[Key]] = {}

    def get(self, key: Key) -> Object | None:
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

    def put(self, obj: Object) -> Object | None:
        key, owner = key_of(obj), _owner(obj)
        with self._lock:
            old = self._objects.get(key)
            if old is not None and _owner(old) != owner:
                self._disown(key, old)
            self._objects[key] = obj
            if owner is not None:
                self._owned.setdefault(owner, set()).add(key)
            return old

    def remove(self, key: Key) -> Object | None:
        with self._lock:
            old = self._objects.pop(key, None)
            if old is not None:
                self._disown(key, old)
            return old

    def _disown(self, key: Key, old: Object) -> None:
        owner = _owner(old)
        if owner is not None and owner in self._owned:
            self._owned[owner].discard(key)
            if not self._owned[owner]:
                del self._owned[owner]


def key_of(obj: Object) -> Key:
    """Return the key of an object."""
    return str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])


def _owner(obj: Object) -> str | None:
    reference = controller_of(obj)
    return None if reference is None else str(reference["uid"])


def _call(handler: Handler, old: Object | None, new: Object | None) -> None:
    try:
        handler(old, new)
    except Exception:  # noqa: BLE001 - the copy must stay right whatever a handler does
        _log.exception("a handler failed; the informer goes on")
