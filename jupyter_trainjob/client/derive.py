"""From what the API and the frames say to a `Snapshot`: pure, so that every state of a job is a row in a test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.client import failure
from jupyter_trainjob.client.failure import exit_code
from jupyter_trainjob.client.snapshot import LogLine, Phase, Snapshot, State
from jupyter_trainjob.constants import JOBSET_RESTART_ATTEMPT, RUNTIME_ANNOTATION, STOPPED_BY_ANNOTATION
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.record import Record

PACE_WINDOW = 30.0
"""Seconds of recent reports that the time left is estimated from."""


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
    processes = _processes(trainjob, nodes, record)
    created = seconds(metadata["creationTimestamp"])
    finished = _finished(trainjob, record) if state.finished else None
    ended = _suspended(trainjob, record) if state in (State.STOPPED, State.SUSPENDED) else finished
    step, total, eta = _progress(record, running=state is State.RUNNING)
    return Snapshot(
        name=metadata["name"],
        namespace=metadata["namespace"],
        context=context,
        state=state,
        uid=metadata["uid"],
        runtime=(metadata.get("annotations") or {}).get(RUNTIME_ANNOTATION) or spec["runtimeRef"]["name"],
        nodes=nodes,
        procs_per_node=processes,
        ranks=nodes * processes,
        restarts=_restarts(newest),
        reason=_reason(trainjob, newest, state, warning) or _restarted(newest, state, record),
        phases=_phases(_begun(trainjob, newest, created), newest, nodes, record, ended),
        created=created,
        finished=finished,
        step=step,
        total=total,
        eta=eta,
        metrics=record.last(),
        ranks_running=sum(1 for pod in newest if _running(pod)),
        failure=failure.why(trainjob, newest, record, processes=processes, log=log) if state is State.FAILED else None,
        log=tuple(log),
    )


def state_of(trainjob: Object, pods: Iterable[Object], *, deleted: bool = False) -> State:
    """Return the state alone, for those who ask often."""
    newest = _newest(pods)
    return State.DELETED if deleted else _state(trainjob, newest, _nodes(trainjob, newest))


def _nodes(trainjob: Object, pods: list[Object]) -> int:
    return int((trainjob["spec"].get("trainer") or {}).get("numNodes") or max(1, len(pods)))


def _processes(trainjob: Object, nodes: int, record: Record) -> int:
    """Return the ranks of a node: as they say themselves, else as the TrainJob asks."""
    wished = (trainjob["spec"].get("trainer") or {}).get("numProcPerNode") or 1
    return max(1, record.world // nodes or int(wished))


def _restarts(pods: Iterable[Object]) -> int:
    """Return how often the JobSet has started all over again."""
    labels = (pod["metadata"].get("labels") or {} for pod in pods)
    return max((int(found.get(JOBSET_RESTART_ATTEMPT) or 0) for found in labels), default=0)


def _restarted(pods: list[Object], state: State, record: Record) -> str:
    """Say that a job is not at its first attempt, and why."""
    count = _restarts(pods)
    if not count or state not in (State.QUEUED, State.STARTING, State.RUNNING):
        return ""
    past = record.past_errors()
    cause = f" after rank {past[0].rank}: {past[0].type}: {past[0].message}" if past else ""
    return f"restart {count}{cause}"


def _begun(trainjob: Object, pods: list[Object], created: float) -> float:
    """Return when the job was created, resumed, or began again after a failure."""
    if _restarts(pods):
        return min(seconds(pod["metadata"]["creationTimestamp"]) for pod in pods)
    condition = conditions.get(trainjob, "Suspended")
    if condition and condition["status"] == "False":
        return max(created, seconds(condition["lastTransitionTime"]))
    return created


def _suspended(trainjob: Object, record: Record) -> float | None:
    """Return when the job was stopped, None while the controller has not seen it."""
    condition = conditions.get(trainjob, "Suspended")
    if condition is None or condition["status"] != "True":
        return None
    return max(seconds(condition["lastTransitionTime"]), record.ended() or 0.0)


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
    started = record.all_started()
    placed = _all_scheduled(pods, nodes, certain=started is not None or finished is not None)
    ends: list[float | None] = [placed if placed is not None else started, started, finished]
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


def _all_scheduled(pods: list[Object], nodes: int, *, certain: bool) -> float | None:
    """Return when the last pod was placed; some may be gone of a job of which it is `certain` that all were."""
    times = [conditions.get(pod, "PodScheduled") for pod in pods if _scheduled(pod)]
    if len(times) < nodes and not certain:
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
