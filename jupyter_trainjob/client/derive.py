"""From what the API and the frames say to a `Snapshot`: pure, so that every state of a job is a row in a test."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.client.snapshot import Failure, LogLine, Phase, Snapshot, State
from jupyter_trainjob.constants import STOPPED_BY_ANNOTATION
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.record import Record

PACE_WINDOW = 30.0
"""Seconds of recent reports that the time left is estimated from."""
ASKED_TO_END = 128 + signal.SIGTERM
OUT_OF_MEMORY = "Out of memory is the usual cause: ask for less data at once, fewer nodes, or more memory."


def derive(
    trainjob: Object,
    pods: Iterable[Object],
    record: Record,
    *,
    context: str,
    deleted: bool = False,
    warning: str = "",
    log: Sequence[LogLine] = (),
) -> Snapshot:
    """Return the snapshot of a job.

    `pods` are all that were ever seen of it, the newest of each index counts. `warning` is the newest complaint that
    the API has of the job itself, shown while there are no pods.
    """
    metadata, spec = trainjob["metadata"], trainjob["spec"]
    newest = _newest(pods)
    nodes = _nodes(trainjob, newest)
    state = State.DELETED if deleted else _state(trainjob, newest, nodes)
    created = seconds(metadata["creationTimestamp"])
    finished = _finished(trainjob, record) if state.finished else None
    step, total, eta = _progress(record, running=state is State.RUNNING)
    return Snapshot(
        name=metadata["name"],
        namespace=metadata["namespace"],
        context=context,
        state=state,
        runtime=spec["runtimeRef"]["name"],
        nodes=nodes,
        reason=_reason(trainjob, newest, state, warning),
        phases=_phases(created, newest, nodes, record, finished),
        created=created,
        finished=finished,
        step=step,
        total=total,
        eta=eta,
        metrics=record.last(),
        ranks_running=sum(1 for pod in newest if _running(pod)),
        failure=_failure(trainjob, newest, record) if state is State.FAILED else None,
        log=tuple(log),
    )


def state_of(trainjob: Object, pods: Iterable[Object], *, deleted: bool = False) -> State:
    """Return the state alone, for those who ask often."""
    newest = _newest(pods)
    return State.DELETED if deleted else _state(trainjob, newest, _nodes(trainjob, newest))


def exit_code(pod: Object) -> int | None:
    """Return the exit code of a pod's program, None while it runs."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        terminated = (status.get("state") or {}).get("terminated")
        if terminated is not None:
            return int(terminated.get("exitCode", 0))
    return None


def _nodes(trainjob: Object, pods: list[Object]) -> int:
    return int((trainjob["spec"].get("trainer") or {}).get("numNodes") or max(1, len(pods)))


def _newest(pods: Iterable[Object]) -> list[Object]:
    by_index: dict[int, Object] = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"])):
        by_index[node_index(pod)] = pod
    return [by_index[index] for index in sorted(by_index)]


def _state(trainjob: Object, pods: list[Object], nodes: int) -> State:
    if conditions.is_true(trainjob, "Complete"):
        return State.COMPLETE
    if conditions.is_true(trainjob, "Failed"):
        return State.FAILED
    if trainjob["spec"].get("suspend"):
        stopped = STOPPED_BY_ANNOTATION in (trainjob["metadata"].get("annotations") or {})
        return State.STOPPED if stopped else State.SUSPENDED
    if len(pods) >= nodes and all(_running(pod) or exit_code(pod) is not None for pod in pods):
        return State.RUNNING
    if any(_scheduled(pod) for pod in pods):
        return State.STARTING
    return State.QUEUED


def _reason(trainjob: Object, pods: list[Object], state: State, warning: str) -> str:
    if state is State.FAILED:
        failed = conditions.get(trainjob, "Failed") or {}
        return str(failed.get("message", ""))
    if state is State.STOPPED:
        return f"stopped by {trainjob['metadata']['annotations'][STOPPED_BY_ANNOTATION]}"
    if state in (State.QUEUED, State.STARTING):
        for pod in pods:
            complaint = _unscheduled(pod) or _waiting(pod)
            if complaint:
                return complaint
        return "" if pods else warning
    return ""


def _unscheduled(pod: Object) -> str:
    condition = conditions.get(pod, "PodScheduled")
    return str(condition.get("message", "")) if condition and condition["status"] == "False" else ""


def _waiting(pod: Object) -> str:
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("message"):
            return f"{waiting.get('reason', '')}: {waiting['message']}"
    return ""


def _scheduled(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName"))


def _running(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running"


def _phases(
    created: float, pods: list[Object], nodes: int, record: Record, finished: float | None
) -> tuple[Phase, ...]:
    """Queued until every pod is placed, starting until every rank runs the cell, training until the end."""
    ends: list[float | None] = [_all_scheduled(pods, nodes), record.all_started(), finished]
    phases, start = [], created
    for name, end in zip(("queued", "starting", "training"), ends, strict=True):
        if end is None and finished is not None:
            end = finished  # noqa: PLW2901 - the job ended before this phase did
        # The API's clock has whole seconds, the ranks' has not: a phase never ends before it starts.
        phases.append(Phase(name, start, None if end is None else max(start, end)))
        if end is None or end == finished:
            break
        start = max(start, end)
    return tuple(phases)


def _all_scheduled(pods: list[Object], nodes: int) -> float | None:
    times = [conditions.get(pod, "PodScheduled") for pod in pods if _scheduled(pod)]
    if len(times) < nodes:
        return None
    return max((seconds(c["lastTransitionTime"]) for c in times if c), default=None)


def _finished(trainjob: Object, record: Record) -> float | None:
    for name in ("Complete", "Failed"):
        condition = conditions.get(trainjob, name)
        if condition and condition["status"] == "True":
            return max(seconds(condition["lastTransitionTime"]), record.ended() or 0.0)
    return record.ended()


def _progress(record: Record, *, running: bool) -> tuple[int | None, int | None, float | None]:
    rank = record.leader()
    if rank is None:
        return None, None, None
    total = record.total(rank)
    recent = record.recent(rank, PACE_WINDOW)
    if not recent:
        return None, total, None
    (first_time, first_step), (last_time, last_step) = recent[0], recent[-1]
    elapsed, made = last_time - first_time, last_step - first_step
    if not running or not total or elapsed <= 0 or made <= 0:
        return int(last_step), total, None
    return int(last_step), total, max(0.0, (total - last_step) * elapsed / made)


def _failure(trainjob: Object, pods: list[Object], record: Record) -> Failure:
    errors = record.errors()
    if errors:
        error = errors[0]
        headline = f"{error.type}: {error.message}" if error.message else error.type
        return Failure(
            headline, error.rank, where=error.where, source=error.source, traceback=error.traceback, remedy=""
        )
    # Who was asked to end (SIGTERM) is a victim: the times of the API are too coarse to tell who failed first.
    for pod in sorted(pods, key=lambda pod: (exit_code(pod) == ASKED_TO_END, _ended_at(pod))):
        code = exit_code(pod)
        if code:
            return _exit_failure(pod, code)
        status = pod.get("status") or {}
        if code is None and status.get("phase") == "Failed":
            why = status.get("message") or status.get("reason") or "it says no reason"
            return Failure(f"rank {node_index(pod)} could not run: {why}", node_index(pod))
    failed = conditions.get(trainjob, "Failed") or {}
    return Failure(str(failed.get("message") or failed.get("reason") or "the job failed"))


def _exit_failure(pod: Object, code: int) -> Failure:
    rank = node_index(pod)
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    message = str(terminated.get("message") or "").strip()
    if code > 128:
        name = signal.Signals(code - 128).name if code - 128 in set(signal.Signals) else f"signal {code - 128}"
        headline = f"rank {rank} was killed (exit code {code}, {name})"
        remedy = OUT_OF_MEMORY if code == 137 else ""
    else:
        headline, remedy = f"rank {rank} ended with exit code {code}", ""
    if message:
        headline = f"{headline}: {message.splitlines()[0]}"
    return Failure(headline, rank, remedy=remedy)


def _ended_at(pod: Object) -> tuple[float, int]:
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        terminated = (status.get("state") or {}).get("terminated") or {}
        if terminated.get("finishedAt"):
            return seconds(terminated["finishedAt"]), node_index(pod)
    return float("inf"), node_index(pod)
