"""The scheduler: pods without a node get one. In a real cluster this is kube-scheduler.

Any change of a pod or a node leads to one pass over all pods that wait, in the order of their priority, then of their
creation: what became free is given out at once, and a pod that does not fit is told why. `placement` decides; here the
pods are bound. A binding that the informer's copy does not show yet is remembered until it does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from threading import Lock
from typing import Final, Literal

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.quantity import Amounts
from jupyter_trainjob.api.resources import NODES, PODS, Object
from jupyter_trainjob.cluster import placement
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.controller.events import NORMAL, WARNING, Recorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.transport import Request
from jupyter_trainjob.kube.workqueue import Key

COMPONENT: Final = "default-scheduler"
RETRY_SECONDS: Final = 1.0

_PASS: Final[Key] = ("", "pass")
"""The only key: there is nothing smaller to reconcile than all pods that wait."""

_Note = tuple[str, str, str]
"""Kind, reason and message of an event."""

_log = logging.getLogger(__name__)


def controller(client: Client, informers: Informers | None = None) -> Controller:
    """Return the scheduler, not started."""
    informers = informers or Informers(client)
    nodes, pods = informers.of(NODES), informers.of(PODS)
    scheduler = Scheduler(client, nodes=nodes, pods=pods, recorder=Recorder(client, controller=COMPONENT))
    pods.on_change(scheduler.see)
    made = Controller("scheduler", scheduler)
    made.watch(nodes, _one_pass)
    made.watch(pods, _one_pass)
    return made


def _one_pass(_: Object) -> Iterable[Key]:
    return (_PASS,)


class Scheduler:
    """Binds the pods that wait."""

    def __init__(self, client: Client, *, nodes: Informer, pods: Informer, recorder: Recorder) -> None:
        self._client = client
        self._nodes = nodes
        self._pods = pods
        self._recorder = recorder
        self._lock = Lock()
        self._known: dict[str, tuple[int, Amounts]] = {}
        self._bound: dict[str, str] = {}

    def see(self, old: Object | None, new: Object | None) -> None:
        """Remember in which order pods came, and what each needs.

        Times of creation have whole seconds only; the version in which a pod is seen first tells more.
        """
        with self._lock:
            if old is not None and (new is None or _uid(new) != _uid(old)):
                self._known.pop(_uid(old), None)
            if new is not None and _uid(new) not in self._known:
                self._known[_uid(new)] = _known(new)

    def reconcile(self, namespace: str, name: str) -> float | None:  # noqa: ARG002 - there is only one key
        """Give a node to every pod that waits and fits."""
        pods = self._pods.list()
        self._forget_bindings(pods)
        waiting = [pod for pod in pods if placement.is_waiting(pod) and _uid(pod) not in self._bound]
        if not waiting:
            return None
        with self._lock:
            known = dict(self._known)
        known = {uid: known.get(uid) or _known(pod) for pod in pods if (uid := _uid(pod))}
        taken = ((self._node_of(pod), known[_uid(pod)][1]) for pod in pods if not placement.has_ended(pod))
        rooms = placement.rooms(self._nodes.list(), taken)
        waiting.sort(key=lambda pod: (-_priority(pod), pod["metadata"]["creationTimestamp"], known[_uid(pod)][0]))
        done = [self._try(pod, known[_uid(pod)][1], rooms) for pod in waiting]
        for pod, note in zip(waiting, done, strict=True):
            if isinstance(note, tuple):
                kind, reason, message = note
                self._recorder.record(pod, kind=kind, reason=reason, message=message)
        return RETRY_SECONDS if "failed" in done else None

    def _try(self, pod: Object, needed: Amounts, rooms: list[placement.Room]) -> _Note | Literal["failed"] | None:
        """Schedule a pod; one that fails does not keep those behind it waiting."""
        try:
            return self._schedule(pod, needed, rooms)
        except (errors.NotFound, errors.Conflict):
            return "failed"  # it changed meanwhile; what it is now arrives soon
        except errors.TrainJobError as error:
            _log.warning("pod %s/%s: %s", pod["metadata"]["namespace"], pod["metadata"]["name"], error)
            return "failed"

    def _schedule(self, pod: Object, needed: Amounts, rooms: list[placement.Room]) -> _Note | None:
        """Bind a pod, or say in it why it waits; return the event to record, once all pods have had their turn."""
        if pod["spec"].get("schedulingGates"):
            self._tell(pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
            return None
        found = placement.place(pod, needed, rooms)
        if isinstance(found, str):
            new = self._tell(pod, "Unschedulable", found)
            return (WARNING, "FailedScheduling", found) if new else None
        self._bind(pod, found.name)
        found.take(needed)
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        return NORMAL, "Scheduled", f"Successfully assigned {name} to {found.name}"

    def _bind(self, pod: Object, node: str) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": _uid(pod)},
            "target": {"apiVersion": "v1", "kind": NODES.kind, "name": node},
        }
        path = PODS.path(namespace, name, "binding")
        self._client.raw(Request("POST", path, {}, json.dumps(binding).encode())).read()
        self._bound[_uid(pod)] = node

    def _tell(self, pod: Object, reason: str, message: str) -> bool:
        """Write into the pod why it has no node; return whether that is new."""
        said = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        status = pod.get("status") or {}
        before = conditions.get(pod, "PodScheduled") or {}
        if all(before.get(name) == value for name, value in said.items()):
            return False
        held = conditions.set(status.get("conditions") or [], said, times.timestamp())
        metadata = pod["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": {"conditions": held}}
        self._client.patch(PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status")
        return True

    def _node_of(self, pod: Object) -> str:
        return str(pod["spec"].get("nodeName") or self._bound.get(_uid(pod)) or "")

    def _forget_bindings(self, pods: Iterable[Object]) -> None:
        """Forget the bindings that the informer's copy shows by now, and those of pods that are gone."""
        pending = {_uid(pod) for pod in pods if not pod["spec"].get("nodeName")}
        self._bound = {uid: node for uid, node in self._bound.items() if uid in pending}


def _uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])


def _known(pod: Object) -> tuple[int, Amounts]:
    return int(pod["metadata"]["resourceVersion"]), placement.needs(pod)


def _priority(pod: Object) -> int:
    return int(pod["spec"].get("priority") or 0)
