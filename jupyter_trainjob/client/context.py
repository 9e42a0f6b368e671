"""Which cluster: the embedded one, unless the user says otherwise. Never silently a real cluster.

Order: the option of a call, `use`, ``TRAINJOB_CONTEXT``, the embedded cluster. A connection is opened once per context
and kept for the life of the process.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import cached_property

from jupyter_trainjob import errors
from jupyter_trainjob.cluster.launch import EmbeddedTransport
from jupyter_trainjob.cluster.state import state_dir
from jupyter_trainjob.constants import CONTEXT_ENV, DEFAULT_NAMESPACE, EMBEDDED_CONTEXT
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.history import History


@dataclass(frozen=True)
class Connection:
    """One cluster as seen by this process."""

    name: str
    client: Client
    default_namespace: str

    @property
    def embedded(self) -> bool:
        """Whether this is the embedded cluster."""
        return self.name == EMBEDDED_CONTEXT

    @cached_property
    def watcher(self) -> Client:
        """Return the client of those who only watch: a stopped embedded cluster stays stopped for all that it asks."""
        return Client(EmbeddedTransport(watches=True)) if self.embedded else self.client

    @cached_property
    def history(self) -> History:
        """Return the store of what was read of jobs."""
        return History(state_dir().create().history)


@dataclass
class _Chosen:
    context: str | None = None
    namespace: str | None = None


_chosen = _Chosen()
_connections: dict[str, Connection] = {}
_lock = threading.Lock()


def use(*, context: str | None = None, namespace: str | None = None) -> None:
    """Choose context and namespace for all calls of this process that name none.

    ``use()`` returns to the defaults: ``TRAINJOB_CONTEXT``, else the embedded cluster. Raises `errors.UsageError` for a
    context that the kubeconfig does not have.
    """
    if context is not None:
        connect(context)
    _chosen.context, _chosen.namespace = context, namespace


def described() -> str:
    """Return in a few words where jobs go, why, and where else they could."""
    from jupyter_trainjob.kube import config

    name, why = _name()
    others = sorted({EMBEDDED_CONTEXT, *config.contexts()} - {name})
    where = f"this computer ({name})" if name == EMBEDDED_CONTEXT else name
    namespace = _chosen.namespace or "that of the context"
    return f"Jobs go to {where}, {why}; namespace: {namespace}. Other contexts: {', '.join(others) or 'none'}."


def chosen() -> str:
    """Return the context of calls that name none."""
    return _name()[0]


def connect(context: str | None = None) -> Connection:
    """Return the connection to `context`, or to the chosen one. The embedded cluster starts at its first request."""
    name, why = (context, "") if context else _name()
    with _lock:
        if name not in _connections:
            try:
                _connections[name] = _open(name)
            except errors.UsageError as error:
                raise errors.UsageError(f"{error} It was chosen {why}." if why else str(error)) from error
        return _connections[name]


def namespace_for(connection: Connection, namespace: str | None = None) -> str:
    """Return the namespace that a call works in."""
    return namespace or _chosen.namespace or connection.default_namespace


def _name() -> tuple[str, str]:
    """Return the context of calls that name none, and why it is that one."""
    if _chosen.context:
        return _chosen.context, "by use()"
    if os.environ.get(CONTEXT_ENV):
        return os.environ[CONTEXT_ENV], f"by {CONTEXT_ENV}"
    return EMBEDDED_CONTEXT, "by default"


def _open(name: str) -> Connection:
    if name == EMBEDDED_CONTEXT:
        return Connection(name, Client(EmbeddedTransport()), DEFAULT_NAMESPACE)
    from jupyter_trainjob.kube import config

    return Connection(name, Client(config.transport(context=name)), config.namespace_of(name))


def forget() -> None:
    """Drop every connection and choice of this process, as after a change of ``TRAINJOB_STATE_DIR``."""
    with _lock:
        _connections.clear()
    _chosen.context = _chosen.namespace = None
