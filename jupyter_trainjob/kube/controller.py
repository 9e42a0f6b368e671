"""A controller: informers on one side, a reconciler on the other, a work queue between them.

Changes come in from `kube.informer`, are mapped to the keys of the objects that they concern, and reach a reconciler
that gets nothing but the key: it reads what is there now, decides, and writes. What it missed, it does not need, and
what failed is tried again (level-triggered, as in controller-runtime). Every controller has threads of its own; the
daemon runs a handful of them in one process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object, controller_of
from jupyter_trainjob.kube.informer import Informer, key_of
from jupyter_trainjob.kube.workqueue import Key, WorkQueue

_log = logging.getLogger(__name__)

Mapper = Callable[[Object], Iterable[Key]]


class Reconciler(Protocol):
    """What a controller calls: brings one object nearer to what is wanted of it."""

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Reconcile one object, which may be gone; return the seconds until it wants to be called again.

        None means: when something changes. An exception means: again, after a pause that grows.
        """


def to_self(obj: Object) -> Iterable[Key]:
    """Map an object to its own key."""
    return (key_of(obj),)


def to_controller(kind: str) -> Mapper:
    """Return a mapper to the controlling owner, if that is a `kind`."""

    def mapper(obj: Object) -> Iterable[Key]:
        owner = controller_of(obj)
        if owner is None or owner["kind"] != kind:
            return ()
        return ((str(obj["metadata"].get("namespace") or ""), str(owner["name"])),)

    return mapper


class Controller:
    """Runs a reconciler. Informers are started with it and stopped with it; several controllers may share one."""

    def __init__(self, name: str, reconciler: Reconciler, *, workers: int = 1, queue: WorkQueue | None = None) -> None:
        self.name = name
        self._reconciler = reconciler
        self._queue = WorkQueue() if queue is None else queue  # an empty one is false
        self._informers: list[Informer] = []
        self._threads = [Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(workers)]

    def watch(self, informer: Informer, mapper: Mapper | None = None) -> None:
        """Reconcile what `mapper` says whenever an object of `informer` changes; the object itself by default."""
        chosen = mapper or to_self

        def changed(old: Object | None, new: Object | None) -> None:
            # Both sides count: an object that changed its owner concerns the former owner, too.
            for obj in (old, new):
                for key in chosen(obj) if obj is not None else ():
                    self._queue.add(key)

        self._informers.append(informer)
        informer.on_change(changed)

    def start(self) -> None:
        """Start the informers, and the workers as soon as the informers know the present. Does not block."""
        for informer in self._informers:
            informer.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop: no new reconcile begins, those that run are waited for (a few seconds at most)."""
        self._queue.shut_down()
        for informer in self._informers:
            informer.stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5)

    def _work(self) -> None:
        for informer in self._informers:
            while not informer.wait_synced(60):
                if self._queue.closed:
                    return
                _log.warning("%s still waits for its first list of %s", self.name, informer.resource.plural)
        while (key := self._queue.get()) is not None:
            try:
                self._reconcile(key)
            finally:
                self._queue.done(key)

    def _reconcile(self, key: Key) -> None:
        try:
            again = self._reconciler.reconcile(*key)
        except (errors.Conflict, errors.NotFound) as race:
            # Our copy was behind; the change that we do not know yet is on its way.
            _log.debug("%s %s/%s: %s", self.name, *key, race)
            self._queue.add_rate_limited(key)
        except errors.TrainJobError as error:
            _log.warning("%s %s/%s: %s", self.name, *key, error)
            self._queue.add_rate_limited(key)
        except Exception:  # noqa: BLE001 - one object that breaks its reconciler must not stop all others
            _log.exception("%s %s/%s failed", self.name, *key)
            self._queue.add_rate_limited(key)
        else:
            self._queue.forget(key)
            if again is not None:
                self._queue.add_after(key, again)
