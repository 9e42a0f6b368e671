"""From what the API and the frames say to a `Snapshot`: pure, so that every state of a job is a row in a test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.client import causes, failure, phases, stalls
from jupyter_trainjob.client import nodes as each_node
from jupyter_trainjob.client.failure import exit_code
from jupyter_trainjob.client.snapshot import LogLine, Snapshot, State
from jupyter_trainjob.constants import PATCH_MANAGER, RUNTIME_ANNOTATION, STOPPED_BY_ANNOTATION
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
    warning: causes.Warned | None = None,
    log: Sequence[LogLine] = (),
    seen: phases.Seen = MappingProxyType({}),
) -> Snapshot:
    """Return the snapshot of a job.

    `pods` are all that were ever seen of it, the newest of each index counts. `warning` is the newest complaint that
    the API has of the job, shown while there are no pods or these do not begin. `seen` is what a follower saw happen,
    and when.
    """
    metadata, spec = trainjob["metadata"], trainjob["spec"]
    newest = each_node.newest(pods)
    nodes = _nodes(trainjob, newest)
    state = State.DELETED if deleted else _state(trainjob, newest, nodes)
    processes = _processes(trainjob, nodes, record)
    created = phases.created(trainjob, seen)
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
        restarts=phases.restarts(newest),
        reason=(
            _reason(trainjob, newest, state, warning)
            or _hanging(record, state, nodes * processes)
            or _restarted(newest, state, record)
        ),
        phases=phases.phases(
            trainjob, newest, record, nodes=nodes, ended=ended, speaks=_speaks(trainjob, record), seen=seen
        ),
        created=created,
        finished=finished,
        step=step,
        total=total,
        eta=eta,
        metrics=record.last(),
        ranks_running=sum(1 for pod in newest if _running(pod)),
        pods=each_node.nodes(newest, record, count=nodes, processes=processes, state=state),
        failure=(
            failure.why(trainjob, newest, record, processes=processes, nodes=nodes, log=log)
            if state is State.FAILED
            else None
        ),
        checkpoint=record.checkpoint,
        log=tuple(log),
    )


def state_of(trainjob: Object, pods: Iterable[Object], *, deleted: bool = False) -> State:
    """Return the state alone, for those who ask often."""
    newest = each_node.newest(pods)
    return State.DELETED if deleted else _state(trainjob, newest, _nodes(trainjob, newest))


def _nodes(trainjob: Object, pods: list[Object]) -> int:
    return int((trainjob["spec"].get("trainer") or {}).get("numNodes") or max(1, len(pods)))


def _processes(trainjob: Object, nodes: int, record: Record) -> int:
    """Return the ranks of a node: as they say themselves, else as the TrainJob asks."""
    wished = (trainjob["spec"].get("trainer") or {}).get("numProcPerNode") or 1
    return max(1, record.world // nodes or int(wished))


def _speaks(trainjob: Object, record: Record) -> bool:
    """Whether the job runs our worker, which says when a rank begins."""
    patches = trainjob["spec"].get("runtimePatches") or ()
    return bool(record.ranks) or any(patch.get("manager") == PATCH_MANAGER for patch in patches)


def _hanging(record: Record, state: State, ranks: int) -> str:
    """Say which rank keeps a job that runs from going on."""
    found = stalls.of(record, ranks=ranks) if state is State.RUNNING else None
    return found.text if found is not None else ""


def _restarted(pods: list[Object], state: State, record: Record) -> str:
    """Say that a job is not at its first attempt, and why."""
    count = phases.restarts(pods)
    if not count or state not in (State.QUEUED, State.STARTING, State.RUNNING):
        return ""
    past = record.past_errors()
    cause = f" after rank {past[0].rank}: {past[0].type}: {past[0].message}" if past else ""
    return f"restart {count}{cause}"


def _suspended(trainjob: Object, record: Record) -> float | None:
    """Return when the job was stopped, None while the controller has not seen it."""
    condition = conditions.get(trainjob, "Suspended")
    if condition is None or condition["status"] != "True":
        return None
    return max(seconds(condition["lastTransitionTime"]), record.ended() or 0.0)


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


def _reason(trainjob: Object, pods: list[Object], state: State, warning: causes.Warned | None) -> str:
    if state is State.FAILED:
        failed = conditions.get(trainjob, "Failed") or {}
        return str(failed.get("message", ""))
    if state is State.STOPPED:
        return f"stopped by {trainjob['metadata']['annotations'][STOPPED_BY_ANNOTATION]}"
    if state in (State.QUEUED, State.STARTING):
        for pod in pods:
            waits = causes.waiting(pod)
            if waits is not None:
                return waits.told
        if warning is not None:
            cause = causes.preparing(warning) if pods else causes.refused(warning.message)
            return cause.told if cause is not None else ""
    return ""


def _scheduled(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName"))


def _running(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running"


def end_of(trainjob: Object) -> float | None:
    """Return when the API says that the job was over; None if it does not."""
    for name in ("Complete", "Failed"):
        condition = conditions.get(trainjob, name)
        if condition and condition["status"] == "True":
            return seconds(condition["lastTransitionTime"])
    return None


def _finished(trainjob: Object, record: Record) -> float | None:
    """Return when the job was over: the later of what the API says and what its ranks said."""
    return max((time for time in (end_of(trainjob), record.ended()) if time is not None), default=None)


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
