"""Choose the cluster: the embedded one unless a context is given, and never silently a real one.

Order: the option of a call, `use`, ``TRAINJOB_CONTEXT``, the embedded cluster. A connection is opened once per context
and kept for the life of the process.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, field
from functools import cached_property

from jupyter_trainjob import errors
from jupyter_trainjob.api import name_validation
from jupyter_trainjob.cluster.daemon.launcher import EmbeddedTransport
from jupyter_trainjob.cluster.state.state_dir import state_dir
from jupyter_trainjob.constants import CONTEXT_ENV, DEFAULT_NAMESPACE, EMBEDDED_CONTEXT, EMBEDDED_LOCATION
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.history import History


@dataclass(frozen=True)
class Connection:
    """One cluster as seen by this process."""

    name: str
    client: Client
    default_namespace: str
    _opening: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """Held while a part is opened: `cached_property` has no lock since Python 3.12."""

    @property
    def embedded(self) -> bool:
        """Whether this is the embedded cluster."""
        return self.name == EMBEDDED_CONTEXT

    @property
    def location(self) -> str:
        """Return the name of the cluster for messages: the context, or ``this computer``."""
        return EMBEDDED_LOCATION if self.embedded else self.name

    @property
    def watcher(self) -> Client:
        """Return a client for watching only: its requests do not start a stopped embedded cluster."""
        with self._opening:
            return self._watcher

    @cached_property
    def _watcher(self) -> Client:
        return Client(EmbeddedTransport(watches=True)) if self.embedded else self.client

    @property
    def history(self) -> History:
        """Return the store of the frames and lines of jobs' logs."""
        with self._opening:
            return self._history

    @cached_property
    def _history(self) -> History:
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

    `context` is one of the kubeconfig, or ``"trainjob-local"`` for the embedded cluster. ``use()`` returns to the
    defaults: ``TRAINJOB_CONTEXT``, otherwise the embedded cluster::

        use(context="my-cluster", namespace="team-a")

    Raises `errors.UsageError` for a context that the kubeconfig does not have, and for an invalid namespace.
    """
    if context is not None:
        connect(context)
    if namespace is not None:
        _checked(namespace)
    _chosen.context, _chosen.namespace = context, namespace


def describe_destination() -> str:
    """Return a sentence that names the context of new jobs, why it is that one, and the other contexts."""
    from jupyter_trainjob.kube import kubeconfig_file

    name, why = _name()
    others = sorted({EMBEDDED_CONTEXT, *kubeconfig_file.context_names()} - {name})
    where = f"this computer ({name})" if name == EMBEDDED_CONTEXT else name
    namespace = _chosen.namespace or "that of the context"
    return f"Jobs go to {where}, {why}; namespace: {namespace}. Other contexts: {', '.join(others) or 'none'}."


def chosen_context() -> str:
    """Return the context of calls that name none."""
    return _name()[0]


def destination() -> tuple[str, str]:
    """Return the context and the namespace of calls that name none."""
    connection = connect()
    return connection.name, namespace_for(connection)


def connect(context: str | None = None) -> Connection:
    """Return the connection to `context`, or to the chosen one. The embedded cluster starts at its first request."""
    name, why = (context, "") if context else _name()
    with _lock:
        if name not in _connections:
            try:
                _connections[name] = _open(name)
            except errors.UsageError as error:
                message = str(error)
                # A kubeconfig does not know the embedded cluster.
                near = "" if "Did you mean" in message else errors.did_you_mean(name, [EMBEDDED_CONTEXT])
                own = f" {EMBEDDED_CONTEXT} is the embedded cluster of this computer, which always exists."
                raise errors.UsageError(f"{message}{near}{own}{f' It was chosen {why}.' if why else ''}") from error
        return _connections[name]


def namespace_for(connection: Connection, namespace: str | None = None) -> str:
    """Return the namespace of a call. Raises `errors.UsageError` for an invalid name."""
    return _checked(namespace or _chosen.namespace or connection.default_namespace)


def _checked(namespace: str) -> str:
    if isinstance(namespace, str) and not name_validation.label_name_problem(namespace):
        return namespace
    meant = re.sub(r"[^a-z0-9]+", "-", str(namespace).lower()).strip("-")[:63].strip("-")
    raise errors.UsageError(
        f"{namespace!r} cannot be the name of a namespace: it has at most 63 lower-case letters, digits and dashes, no "
        f"dash at either end.{f' Did you mean {meant}?' if meant else ''}"
    )


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
    from jupyter_trainjob.kube import kubeconfig_file

    return Connection(
        name, Client(kubeconfig_file.load_transport(context=name)), kubeconfig_file.context_namespace(name)
    )


def forget_connections() -> None:
    """Drop every connection and choice of this process, as after a change of ``TRAINJOB_STATE_DIR``."""
    with _lock:
        _connections.clear()
    _chosen.context = _chosen.namespace = None
