"""Values for completion: contexts, namespaces, runtimes, jobs. Never waits long, never starts a cluster.

A request runs on a thread; an answer that takes longer than `PATIENCE` is left out and used the next time. Answers are
current for `FRESH` seconds; after that they are used only while a new one is on its way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from jupyter_trainjob.constants import EMBEDDED_CONTEXT

if TYPE_CHECKING:
    from jupyter_trainjob.kube.client import Client

PATIENCE: Final = 0.4
"""Seconds that a completion waits for an answer."""
FRESH: Final = 5.0

Key = tuple[str, str, str]
"""The kind of value, the context and the namespace."""


class Lookup:
    """Cached answers of clusters, with one request at a time for each question."""

    def __init__(self, *, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[Key, tuple[float, Sequence[str]]] = {}
        self._running: dict[Key, threading.Thread] = {}

    def values(self, argument: str, options: Mapping[str, str]) -> Sequence[str]:
        """Return the values of `argument` that the cluster has, given the other options; empty for other arguments."""
        kind = {"jobs": "job"}.get(argument, argument)
        if kind not in _QUERIES:
            return ()
        values = self.ask((kind, options.get("context", ""), options.get("namespace", "")), _QUERIES[kind])
        return sorted({EMBEDDED_CONTEXT, *values}) if kind == "context" else values

    def ask(self, key: Key, query: Callable[[str, str], Sequence[str]]) -> Sequence[str]:
        """Return the answer of `query`, or its previous answer if the new one takes longer than `PATIENCE`."""
        with self._lock:
            at, known = self._answers.get(key, (-FRESH, ()))
            if self._clock() < at + FRESH:
                return known
            thread = self._running.get(key)
            if thread is None:
                thread = threading.Thread(
                    target=self._run_query, args=(key, query), name="trainjob-complete", daemon=True
                )
                self._running[key] = thread
                thread.start()
        thread.join(self._patience)
        with self._lock:
            return self._answers.get(key, (0.0, ()))[1]

    def _run_query(self, key: Key, query: Callable[[str, str], Sequence[str]]) -> None:
        _, context, namespace = key
        try:
            values = query(context, namespace)
            with self._lock:
                self._answers[key] = (self._clock(), values)
        except Exception:  # noqa: BLE001, S110 - whatever is wrong with a cluster, a line can be typed without it
            pass
        finally:
            with self._lock:
                self._running.pop(key, None)


def _contexts(_context: str, _namespace: str) -> Sequence[str]:
    from jupyter_trainjob.kube import kubeconfig_file

    return kubeconfig_file.context_names()


def _namespaces(context: str, _namespace: str) -> Sequence[str]:
    from jupyter_trainjob.api.resources import NAMESPACES

    client, mine = _client(context)
    names = [] if client is None else [namespace["metadata"]["name"] for namespace in client.list(NAMESPACES).items]
    return sorted({mine, *names})


def _runtimes(context: str, namespace: str) -> Sequence[str]:
    from jupyter_trainjob.api.kinds import runtimes
    from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, TRAININGRUNTIMES
    from jupyter_trainjob.client.spec import runtime_copy

    client, mine = _client(context)
    if client is None:
        return sorted(runtime["metadata"]["name"] for runtime in runtimes.load_runtimes())
    available = [
        *client.list(CLUSTERTRAININGRUNTIMES).items,
        *(
            runtime
            for runtime in client.list(TRAININGRUNTIMES, namespace=namespace or mine).items
            if not runtime_copy.is_copy(runtime)
        ),
    ]
    return sorted({runtime["metadata"]["name"] for runtime in available})


def _jobs(context: str, namespace: str) -> Sequence[str]:
    from jupyter_trainjob.api.resources import TRAINJOBS

    client, mine = _client(context)
    if client is None:
        return ()
    trainjobs = client.list(TRAINJOBS, namespace=namespace or mine).items
    trainjobs.sort(key=lambda job: str(job["metadata"]["creationTimestamp"]), reverse=True)
    return [job["metadata"]["name"] for job in trainjobs]


def _client(name: str) -> tuple[Client | None, str]:
    """Return a client and a namespace for a context; no client for an embedded cluster that does not run."""
    from jupyter_trainjob.client import context
    from jupyter_trainjob.cluster.daemon import launcher
    from jupyter_trainjob.cluster.state.state_dir import state_dir
    from jupyter_trainjob.kube import kubeconfig_file
    from jupyter_trainjob.kube.client import Client

    connection = context.connect(name or None)
    namespace = context.namespace_for(connection)
    if not connection.embedded:
        return connection.client, namespace
    state = state_dir()
    if launcher.running_daemon(state) is None:
        return None, namespace
    # Not the client of the connection, which would start a stopped cluster.
    return Client(kubeconfig_file.embedded_transport(state.kubeconfig)), namespace


_QUERIES: Final[Mapping[str, Callable[[str, str], Sequence[str]]]] = {
    "context": _contexts,
    "namespace": _namespaces,
    "runtime": _runtimes,
    "job": _jobs,
}
