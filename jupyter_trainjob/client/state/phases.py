"""Derive the phases of a job's life from times that the API and the ranks recorded. Pure.

A phase ends when all pods, or all ranks, have passed its end mark. A phase with an unknown end, for example since its
pods are deleted, is left out; the current or last phase starts at the last known mark.

Only recorded times are used, never the time of observation, so that all kernels, servers and commands show the same
phases. API times have a resolution of one second; this client records the time of submission in milliseconds, and the
ranks their start and end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.client.diagnosis import kueue
from jupyter_trainjob.client.diagnosis.failure import training_container
from jupyter_trainjob.client.snapshot import PHASES, Phase
from jupyter_trainjob.constants import JOBSET_RESTART_ATTEMPT, SENT_ANNOTATION
from jupyter_trainjob.metrics.telemetry import Telemetry

PHASES_WITHOUT_REPORTS = ("queued", "scheduling", "image", "training")
"""The phases of a job whose program does not report the start of its ranks."""
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,6})?")


def restart_count(pods: Iterable[KubeObject]) -> int:
    """Return how often the JobSet has restarted all of its Jobs."""
    labels = (pod["metadata"].get("labels") or {} for pod in pods)
    return max((int(pod_labels.get(JOBSET_RESTART_ATTEMPT) or 0) for pod_labels in labels), default=0)


def creation_time(obj: KubeObject) -> float:
    """Return when a job or pod was created, in unix seconds.

    The time of submission is used if it lies within the second of the API's creation timestamp.
    """
    stamp = unix_seconds(obj["metadata"]["creationTimestamp"])
    recorded = (obj["metadata"].get("annotations") or {}).get(SENT_ANNOTATION, "").partition("-")[0]
    sent = float(recorded) if _NUMBER.fullmatch(recorded) else 0.0
    return sent if stamp <= sent < stamp + 1 else stamp


def schedule_time(pod: KubeObject) -> float | None:
    """Return when a pod was scheduled to a node, in unix seconds; None before."""
    condition = conditions.get_condition(pod, "PodScheduled")
    if not pod["spec"].get("nodeName") or condition is None:
        return None
    return unix_seconds(condition["lastTransitionTime"])


def container_start_time(pod: KubeObject) -> float | None:
    """Return when the training container of a pod started, in unix seconds; None before."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if status["name"] == training_container(pod):
            for state in (status.get("state") or {}, status.get("lastState") or {}):
                stamp = (state.get("running") or state.get("terminated") or {}).get("startedAt")
                if stamp:
                    return unix_seconds(stamp)
    return None


def log_timestamp(pod: KubeObject) -> str:
    """Return the creation time of a pod in the format of its log; it sorts before every line of the log."""
    return f"{str(pod['metadata']['creationTimestamp']).removesuffix('Z')}.000000000Z"


def attempt_start_time(trainjob: KubeObject, pods: list[KubeObject]) -> float:
    """Return when the current attempt began, in unix seconds: the job was created, resumed or restarted."""
    if restart_count(pods):
        return min(creation_time(pod) for pod in pods)
    condition = conditions.get_condition(trainjob, "Suspended")
    # A job that Kueue has preempted waits again since it was suspended.
    if condition and (condition["status"] == "False" or kueue.is_held(trainjob)):
        return max(creation_time(trainjob), unix_seconds(condition["lastTransitionTime"]))
    return creation_time(trainjob)


def derive_phases(
    trainjob: KubeObject,
    pods: list[KubeObject],
    record: Telemetry,
    *,
    nodes: int,
    ended: float | None,
    reports_starts: bool,
    pulls_images: bool = True,
) -> tuple[Phase, ...]:
    """Return the phases so far, in order.

    `pods` are the newest pods of the `nodes` nodes, `ended` the end of the job in unix seconds. `reports_starts`: the
    program reports the start of its ranks, as this package's worker does. `pulls_images`: nodes pull images; otherwise
    the phase ``image`` is named ``preparing``.
    """
    names = [
        name if pulls_images or name != "image" else "preparing"
        for name in (PHASES if reports_starts else PHASES_WITHOUT_REPORTS)
    ]
    start = attempt_start_time(trainjob, pods)
    # Reports from before the job was resumed or restarted do not count.
    since = start if start > creation_time(trainjob) else 0.0
    first, last = (record.first_started(since), record.all_started(since)) if reports_starts else (None, None)
    # A job that has got further has had all of its pods.
    had_all_pods = first is not None or ended is not None

    def all_pods(mark: Callable[[KubeObject], float | None]) -> float | None:
        times = [time for pod in pods if (time := mark(pod)) is not None]
        return max(times) if times and len(times) == len(pods) and (had_all_pods or len(pods) >= nodes) else None

    marks = [
        start,
        all_pods(creation_time),
        all_pods(schedule_time),
        all_pods(container_start_time),
        *([first, last] if reports_starts else []),
    ]
    known_phases = tuple(_phases_between(names, marks, ended))
    if conditions.is_true(trainjob, "Complete") and known_phases[-1].name != names[-1]:
        return known_phases[:-1]  # The last phase was not the last one: later marks are unknown.
    return known_phases


def _phases_between(names: Iterable[str], marks: list[float | None], ended: float | None) -> Iterable[Phase]:
    """Yield the phases; mark `i` in unix seconds starts phase `i`, None if it is unknown."""
    last = max(index for index, mark in enumerate(marks) if mark is not None)
    before = 0.0
    rising: list[float | None] = []
    for mark in marks:
        # Clocks differ in resolution: keep a phase from ending before it starts.
        before = before if mark is None else max(before, mark)
        rising.append(None if mark is None else before)
    for index, (name, start) in enumerate(zip(names, rising, strict=True)):
        if start is None or index > last:
            continue
        if index == last:
            yield Phase(name, start, None if ended is None else max(start, ended))
        elif (end := rising[index + 1]) is not None:
            yield Phase(name, start, end)
