"""What ``kubectl describe`` shows of a pod's life: kubelet's events, each told once.

In: what was seen of the containers, and what was decided. Out: events Pulled, Created, Started, Failed, BackOff,
Killing, and the reason for which the node ended a pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent.plan import START_ERROR, View
from jupyter_trainjob.cluster.agent.run import Run, State
from jupyter_trainjob.cluster.agent.status import DEADLINE, Verdict
from jupyter_trainjob.controller.events import NORMAL, WARNING, Recorder

STARTED = "Started"


class Teller:
    """Tells of one pod."""

    def __init__(self, events: Recorder, runs: Iterable[Run]) -> None:
        """Prepare; of `runs` that have begun, an earlier agent has told."""
        self._events = events
        self._told = {(run.container, run.attempt, STARTED) for run in runs if run.state() is not State.NEW}

    @property
    def new(self) -> bool:
        """Return whether nothing of the pod has run yet."""
        return not self._told

    def ignored(self, pod: Object, fields: list[str]) -> None:
        """Tell what the pod asks for in vain."""
        message = f"this node ignores {'; '.join(fields)}"
        self._events.record(pod, kind=WARNING, reason="Ignored", message=message)

    def started(self, pod: Object, container: Object, view: View) -> None:
        """Tell that a container was started, or that it could not be."""
        name, attempt, end = container["name"], view.attempt, view.end
        if (not view.running and end is None) or (name, attempt, STARTED) in self._told:
            return
        self._told.add((name, attempt, STARTED))
        image = container.get("image", "")
        text = f'Container image "{image}" is recorded, not used: the program runs from the files of this computer'
        part = field_path(pod, name)
        self._events.record(pod, kind=NORMAL, reason="Pulled", message=text, part=part)
        self._events.record(pod, kind=NORMAL, reason="Created", message="Container created", part=part)
        if end is not None and end.reason == START_ERROR:
            text = f"Error: {end.document.get('message', '')}"
            self._events.record(pod, kind=WARNING, reason="Failed", message=text, part=part)
        else:
            self._events.record(pod, kind=NORMAL, reason=STARTED, message="Container started", part=part)

    def held_back(self, pod: Object, views: Mapping[str, View], later: Iterable[str]) -> None:
        """Tell which containers wait for their next start."""
        for name in later:
            text = f"Back-off restarting failed container {name} in pod {full_name(pod)}"
            self._once((name, views[name].attempt), pod, kind=WARNING, reason="BackOff", message=text)

    def stopped(self, pod: Object, attempts: Mapping[str, int]) -> None:
        """Tell which containers were asked to end, by their attempts."""
        for name, attempt in attempts.items():
            text = f"Stopping container {name}"
            self._once((name, attempt), pod, kind=NORMAL, reason="Killing", message=text)

    def ended(self, pod: Object, verdict: Verdict | None) -> None:
        """Tell why the node ended the pod."""
        if verdict is not None:
            kind = NORMAL if verdict == DEADLINE else WARNING
            self._once(("", 0), pod, kind=kind, reason=verdict.reason, message=verdict.message)

    def _once(self, run: tuple[str, int], pod: Object, *, kind: str, reason: str, message: str) -> None:
        if (*run, reason) not in self._told:
            self._told.add((*run, reason))
            part = field_path(pod, run[0]) if run[0] else ""
            self._events.record(pod, kind=kind, reason=reason, message=message, part=part)


def full_name(pod: Object) -> str:
    """Return a pod's name as kubelet writes it."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def field_path(pod: Object, container: str) -> str:
    """Return where in a pod a container is, as kubelet writes it."""
    first = any(one["name"] == container for one in pod["spec"].get("initContainers") or ())
    return f"spec.{'initContainers' if first else 'containers'}{{{container}}}"
