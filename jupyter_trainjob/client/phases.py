"""The stretches of a job's life, from the times that the API and the ranks wrote down. Pure.

Each phase ends at a mark that all pods, or all ranks, have passed. A phase of which one end is not known, since its
pods are gone, is left out; the phase that a job is in, or ended in, begins at the last mark that is known.

The API counts in whole seconds. Who watched while something happened knows it better: such sights replace the API's
times where both agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.client.failure import training_container
from jupyter_trainjob.client.snapshot import PHASES, Phase
from jupyter_trainjob.constants import JOBSET_RESTART_ATTEMPT
from jupyter_trainjob.metrics.record import Record

SILENT = ("queued", "scheduling", "image", "training")
"""The phases of a job whose program says nothing of itself."""
CREATED, PLACED, RUNNING = "created", "placed", "running"
"""What can be seen to happen to a pod; the first of them to a job, too."""
SIGHT = 2.0
"""Seconds after the API's time in which a sight of the same can be believed."""

Seen: TypeAlias = Mapping[tuple[str, str], float]
"""When somebody who watched saw it, in unix seconds: by uid and what happened."""


def restarts(pods: Iterable[Object]) -> int:
    """Return how often the JobSet has started all over again."""
    labels = (pod["metadata"].get("labels") or {} for pod in pods)
    return max((int(found.get(JOBSET_RESTART_ATTEMPT) or 0) for found in labels), default=0)


def created(obj: Object, seen: Seen) -> float:
    """Return when a job or a pod came to be."""
    return _sighted(seconds(obj["metadata"]["creationTimestamp"]), obj, CREATED, seen)


def placed(pod: Object, seen: Seen) -> float | None:
    """Return when a pod was placed on a node; None before."""
    condition = conditions.get(pod, "PodScheduled")
    if not pod["spec"].get("nodeName") or condition is None:
        return None
    return _sighted(seconds(condition["lastTransitionTime"]), pod, PLACED, seen)


def running(pod: Object, seen: Seen) -> float | None:
    """Return when the container of a pod that trains began to run; None before."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if status["name"] == training_container(pod):
            for each in (status.get("state") or {}, status.get("lastState") or {}):
                stamp = (each.get("running") or each.get("terminated") or {}).get("startedAt")
                if stamp:
                    return _sighted(seconds(stamp), pod, RUNNING, seen)
    return None


def marks(pod: Object) -> list[str]:
    """Return what has happened to a pod so far."""
    return [CREATED, *([PLACED] if placed(pod, {}) else []), *([RUNNING] if running(pod, {}) else [])]


def begun(trainjob: Object, pods: list[Object], seen: Seen) -> float:
    """Return when the job was created, resumed, or began again after a failure."""
    if restarts(pods):
        return min(created(pod, seen) for pod in pods)
    condition = conditions.get(trainjob, "Suspended")
    if condition and condition["status"] == "False":
        return max(created(trainjob, seen), seconds(condition["lastTransitionTime"]))
    return created(trainjob, seen)


def phases(
    trainjob: Object, pods: list[Object], record: Record, *, nodes: int, ended: float | None, speaks: bool, seen: Seen
) -> tuple[Phase, ...]:
    """Return what there was so far. `speaks`: the program says when its ranks begin, as our worker does."""
    names = PHASES if speaks else SILENT
    start = begun(trainjob, pods, seen)
    # The ranks' words of an earlier life, before the job was resumed or began again, do not count.
    since = start if start > created(trainjob, seen) else 0.0
    first, last = (record.first_started(since), record.all_started(since)) if speaks else (None, None)
    # Of a job that has come further all pods were there once.
    certain = first is not None or ended is not None

    def all_pods(mark: Callable[[Object, Seen], float | None]) -> float | None:
        times = [time for pod in pods if (time := mark(pod, seen)) is not None]
        return max(times) if times and len(times) == len(pods) and (certain or len(pods) >= nodes) else None

    passed = [start, all_pods(created), all_pods(placed), all_pods(running), *([first, last] if speaks else [])]
    found = tuple(_stretches(names, passed, ended))
    if conditions.is_true(trainjob, "Complete") and found[-1].name != names[-1]:
        return found[:-1]  # It was further than anybody knows.
    return found


def _stretches(names: Iterable[str], marks: list[float | None], ended: float | None) -> Iterable[Phase]:
    """Yield the phases between marks, of which each begins the phase of its place."""
    reached = max(place for place, mark in enumerate(marks) if mark is not None)
    before = 0.0
    rising: list[float | None] = []
    for mark in marks:
        # One clock has whole seconds, the other has not: a phase never ends before it begins.
        before = before if mark is None else max(before, mark)
        rising.append(None if mark is None else before)
    for place, (name, start) in enumerate(zip(names, rising, strict=True)):
        if start is None or place > reached:
            continue
        if place == reached:
            yield Phase(name, start, None if ended is None else max(start, ended))
        elif (end := rising[place + 1]) is not None:
            yield Phase(name, start, end)


def _sighted(stamp: float, obj: Object, what: str, seen: Seen) -> float:
    sight = seen.get((obj["metadata"].get("uid", ""), what))
    return min(sight, stamp + 1) if sight is not None and stamp <= sight < stamp + SIGHT else stamp
