"""A controller: informers on one side, a reconciler on the other, a work queue between them.

Changes from `kube.informer` are mapped to the keys of the objects that they concern. A reconciler gets only the key: it
reads the current state, decides, and writes. Missed changes do no harm, and failures are retried (level-triggered, as
in sigs.k8s.io/controller-runtime). Every controller has its own threads; the daemon runs several in one process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject, controller_of
from jupyter_trainjob.kube.informer import Informer, key_of
from jupyter_trainjob.kube.workqueue import Key, WorkQueue

_log = logging.getLogger(__name__)

Mapper = Callable[[KubeObject], Iterable[Key]]


class Reconciler(Protocol):
    """Called by a controller to bring one object nearer to its desired state."""

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Reconcile one object, which may be deleted; return the seconds until the next call.

        None means when something changes. After an exception it is called again, with growing delays.
        """


def to_self(obj: KubeObject) -> Iterable[Key]:
    """Map an object to its own key."""
    return (key_of(obj),)


def to_controller(kind: str) -> Mapper:
    """Return a mapper from an object to its controlling owner, if that is a `kind`."""

    def mapper(obj: KubeObject) -> Iterable[Key]:
        owner = controller_of(obj)
        if owner is None or owner["kind"] != kind:
            return ()
        return ((str(obj["metadata"].get("namespace") or ""), str(owner["name"])),)

    return mapper


class Controller:
    """Runs a reconciler. Informers are started and stopped with it; several controllers may share one."""

    def __init__(self, name: str, reconciler: Reconciler, *, workers: int = 1, queue: WorkQueue | None = None) -> None:
        self.name = name
        self._reconciler = reconciler
        self.queue = WorkQueue() if queue is None else queue  # an empty queue is falsy
        self._on_reconciled: Callable[[str, float], None] | None = None
        self._informers: list[Informer] = []
        self._threads = [Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(workers)]

    def watch(self, informer: Informer, mapper: Mapper | None = None) -> None:
        """Reconcile the keys of `mapper` (default: the object's own) whenever an object of `informer` changes."""
        map_keys = mapper or to_self

        def on_change(old: KubeObject | None, new: KubeObject | None) -> None:
            # Old and new state: a change of the owner concerns the former owner, too.
            for obj in (old, new):
                for key in map_keys(obj) if obj is not None else ():
                    self.queue.add(key)

        self._informers.append(informer)
        informer.on_change(on_change)

    def on_reconciled(self, callback: Callable[[str, float], None]) -> None:
        """Call `callback` after every reconcile, with its result and its seconds.

        Results are those of controller-runtime: ``success``, ``error``, ``requeue_after``. Set it before the start.
        """
        self._on_reconciled = callback

    def start(self) -> None:
        """Start informers and workers. Does not block."""
        self.start_informers()
        self.start_workers()

    def start_informers(self) -> None:
        """Start to list and watch; what changes is queued. Does not block."""
        for informer in self._informers:
            informer.start()

    def wait_synced(self, timeout: float) -> bool:
        """Wait until the informers have their first lists; return False after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        return all(informer.wait_synced(max(0.0, deadline - time.monotonic())) for informer in self._informers)

    def start_workers(self) -> None:
        """Reconcile what is queued, as soon as the informers are synced. Does not block."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop: start no new reconciles and wait for running ones, a few seconds at most."""
        self.queue.shut_down()
        for informer in self._informers:
            informer.stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5)

    def _work(self) -> None:
        for informer in self._informers:
            while not informer.wait_synced(60):
                if self.queue.closed:
                    return
                _log.warning("%s is still waiting for its first list of %s", self.name, informer.resource.plural)
        while (key := self.queue.get()) is not None:
            try:
                self._reconcile(key)
            finally:
                self.queue.done(key)

    def _reconcile(self, key: Key) -> None:
        started, result = time.monotonic(), "error"
        try:
            requeue_after = self._reconciler.reconcile(*key)
        except (errors.Conflict, errors.NotFound) as race:
            # The informer's copy was outdated; the newer state is about to arrive.
            _log.debug("%s %s/%s: %s", self.name, *key, race)
            self.queue.add_rate_limited(key)
        except errors.TrainJobError as error:
            _log.warning("%s %s/%s: %s", self.name, *key, error)
            self.queue.add_rate_limited(key)
        except Exception:  # noqa: BLE001 - a failing object must not stop the others
            _log.exception("%s %s/%s failed", self.name, *key)
            self.queue.add_rate_limited(key)
        else:
            result = "success" if requeue_after is None else "requeue_after"
            self.queue.forget(key)
            if requeue_after is not None:
                self.queue.add_after(key, requeue_after)
        if self._on_reconciled is not None:
            self._on_reconciled(result, time.monotonic() - started)
