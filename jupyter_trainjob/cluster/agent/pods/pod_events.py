"""Record the events of a pod's containers as kubelet does, each once.

In: the observed containers and the decisions. Out: the events Pulled, Created, Started, Failed, BackOff, Killing, and
the reason for which the agent ended a pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.containers.container_run import Run, State
from jupyter_trainjob.cluster.agent.pods.pod_plan import START_ERROR, View
from jupyter_trainjob.cluster.agent.pods.pod_status import DEADLINE, Termination
from jupyter_trainjob.controller.event_recorder import NORMAL, WARNING, EventRecorder

STARTED = "Started"


class PodEvents:
    """Records the events of one pod."""

    def __init__(self, events: EventRecorder, runs: Iterable[Run]) -> None:
        """Mark `runs` that have started already as recorded by an earlier agent."""
        self._events = events
        self._recorded = {(run.container, run.attempt, STARTED) for run in runs if run.state() is not State.NEW}

    @property
    def nothing_started(self) -> bool:
        """Return whether no container of the pod has started yet."""
        return not self._recorded

    def record_ignored(self, pod: KubeObject, fields: list[str]) -> None:
        """Record which fields of the pod are ignored."""
        message = f"this node ignores {'; '.join(fields)}"
        self._events.record(pod, kind=WARNING, reason="Ignored", message=message)

    def record_started(self, pod: KubeObject, container: KubeObject, view: View) -> None:
        """Record that a container was started, or failed to start."""
        name, attempt, end = container["name"], view.attempt, view.end
        if (not view.running and end is None) or (name, attempt, STARTED) in self._recorded:
            return
        self._recorded.add((name, attempt, STARTED))
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

    def record_back_off(self, pod: KubeObject, views: Mapping[str, View], later: Iterable[str]) -> None:
        """Record which containers wait for a restart."""
        for name in later:
            text = f"Back-off restarting failed container {name} in pod {full_name(pod)}"
            self._record_once((name, views[name].attempt), pod, kind=WARNING, reason="BackOff", message=text)

    def record_stopping(self, pod: KubeObject, attempts: Mapping[str, int]) -> None:
        """Record which containers are being stopped, by attempt."""
        for name, attempt in attempts.items():
            text = f"Stopping container {name}"
            self._record_once((name, attempt), pod, kind=NORMAL, reason="Killing", message=text)

    def record_ended(self, pod: KubeObject, verdict: Termination | None) -> None:
        """Record why the agent ended the pod."""
        if verdict is not None:
            kind = NORMAL if verdict == DEADLINE else WARNING
            self._record_once(("", 0), pod, kind=kind, reason=verdict.reason, message=verdict.message)

    def _record_once(self, run: tuple[str, int], pod: KubeObject, *, kind: str, reason: str, message: str) -> None:
        if (*run, reason) not in self._recorded:
            self._recorded.add((*run, reason))
            part = field_path(pod, run[0]) if run[0] else ""
            self._events.record(pod, kind=kind, reason=reason, message=message, part=part)


def full_name(pod: KubeObject) -> str:
    """Return a pod's name in kubelet's format."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def field_path(pod: KubeObject, container: str) -> str:
    """Return the field path of a container in kubelet's format."""
    is_init = any(init["name"] == container for init in pod["spec"].get("initContainers") or ())
    return f"spec.{'initContainers' if is_init else 'containers'}{{{container}}}"
