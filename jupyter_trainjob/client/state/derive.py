"""Derive a `Snapshot` of a job from API objects and the ranks' reports. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.client.diagnosis import advice, failure, hangs, kubernetes_reasons, kueue
from jupyter_trainjob.client.diagnosis.failure import exit_code
from jupyter_trainjob.client.diagnosis.kueue import Hold
from jupyter_trainjob.client.snapshot import LogLine, Snapshot, State
from jupyter_trainjob.client.spec import feasibility
from jupyter_trainjob.client.state import phases, progress
from jupyter_trainjob.client.state.nodes import build_nodes, newest_pods
from jupyter_trainjob.constants import (
    EMBEDDED_CONTEXT,
    PATCH_MANAGER,
    RUNTIME_ANNOTATION,
    STOPPED_BY_ANNOTATION,
    VARIABLE_ANNOTATION,
)
from jupyter_trainjob.metrics.telemetry import Telemetry


def derive_snapshot(
    trainjob: KubeObject,
    pods: Iterable[KubeObject],
    record: Telemetry,
    *,
    context: str,
    deleted: bool = False,
    warning: kubernetes_reasons.WarningEvent | None = None,
    log_error: str = "",
    hold: Hold | None = None,
    log: Sequence[LogLine] = (),
) -> Snapshot:
    """Return the snapshot of a job.

    `pods` are all pods seen so far, of which the newest of each index counts. `warning` is the newest Warning event
    about the job, shown while it has no pods or they do not start. `log_error` is why the log of a pod could not be
    read, `hold` why Kueue holds the job, if known. `log` are the newest lines, in the order of time.
    """
    metadata, spec = trainjob["metadata"], trainjob["spec"]
    newest = newest_pods(pods)
    nodes = _node_count(trainjob, newest)
    state = State.DELETED if deleted else _job_state(trainjob, newest, nodes, hold)
    if state is State.QUEUED and kueue.is_held(trainjob):
        newest = []  # These pods ran before the job was preempted.
    processes = _processes_per_node(trainjob, nodes, record)
    created = phases.creation_time(trainjob)
    finished = _finish_time(trainjob, record) if state.finished else None
    ended = _suspension_time(trainjob, record) if state in (State.STOPPED, State.SUSPENDED) else finished
    latest = record.latest()
    step, total, eta = progress.estimate_progress(record, running=state is State.RUNNING)
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
        restarts=phases.restart_count(newest),
        reason=(
            _state_reason(trainjob, newest, state, warning, hold)
            or _hang_reason(record, state, nodes * processes)
            or _restart_reason(newest, state, record)
            or (f"not all of its log could be read: {log_error}" if log_error else "")
        ),
        variable=str((metadata.get("annotations") or {}).get(VARIABLE_ANNOTATION) or ""),
        warnings=tuple(advice.training_warnings(record, latest, ranks=nodes * processes)),
        phases=phases.derive_phases(
            trainjob,
            newest,
            record,
            nodes=nodes,
            ended=ended,
            reports_starts=_reports_rank_starts(trainjob, record),
            pulls_images=context != EMBEDDED_CONTEXT,
        ),
        created=created,
        finished=finished,
        step=step,
        total=total,
        share=progress.finished_share(newest, record, nodes=nodes, processes=processes),
        eta=eta,
        metrics={name: value.mean for name, value in latest.items()},
        ranges={name: (value.low, value.high) for name, value in latest.items() if value.ranks > 1},
        ranks_running=sum(1 for pod in newest if _is_running(pod)),
        nodes_done=sum(1 for pod in newest if exit_code(pod) == 0),
        pods=build_nodes(newest, record, count=nodes, processes=processes, state=state),
        failure=(
            failure.explain_failure(trainjob, newest, record, processes=processes, nodes=nodes, log=log)
            if state is State.FAILED
            else None
        ),
        checkpoint=record.checkpoint,
        log=tuple(log),
    )


def derive_state(
    trainjob: KubeObject, pods: Iterable[KubeObject], *, deleted: bool = False, hold: Hold | None = None
) -> State:
    """Return only the state, which is cheaper than a snapshot."""
    newest = newest_pods(pods)
    return State.DELETED if deleted else _job_state(trainjob, newest, _node_count(trainjob, newest), hold)


def _node_count(trainjob: KubeObject, pods: list[KubeObject]) -> int:
    return max(1, int((trainjob["spec"].get("trainer") or {}).get("numNodes") or len(pods)))


def _processes_per_node(trainjob: KubeObject, nodes: int, record: Telemetry) -> int:
    """Return the number of ranks on each node, from the ranks' reports, else from the TrainJob."""
    requested = (trainjob["spec"].get("trainer") or {}).get("numProcPerNode") or 1
    return max(1, record.world // nodes or int(requested))


def _reports_rank_starts(trainjob: KubeObject, record: Telemetry) -> bool:
    """Whether the job runs this package's worker, which reports the start of each rank."""
    patches = trainjob["spec"].get("runtimePatches") or ()
    return bool(record.ranks) or any(patch.get("manager") == PATCH_MANAGER for patch in patches)


def _hang_reason(record: Telemetry, state: State, ranks: int) -> str:
    """Return which rank of a running job hangs; empty if none does."""
    hang = hangs.find_current_hang(record, ranks=ranks) if state is State.RUNNING else None
    return hang.text if hang is not None else ""


def _restart_reason(pods: list[KubeObject], state: State, record: Telemetry) -> str:
    """Return why the previous attempt failed; empty for a first attempt."""
    count = phases.restart_count(pods)
    if not count or state not in (State.QUEUED, State.STARTING, State.RUNNING, State.COMPLETE):
        return ""
    past = record.past_errors()
    cause = f": rank {past[0].rank}: {past[0].type}: {past[0].message}" if past else ""
    return f"attempt {count} failed{cause}"


def _suspension_time(trainjob: KubeObject, record: Telemetry) -> float | None:
    """Return when the job was suspended, in unix seconds; None before the controller has suspended it."""
    condition = conditions.get_condition(trainjob, "Suspended")
    if condition is None or condition["status"] != "True":
        return None
    return max(unix_seconds(condition["lastTransitionTime"]), record.ended() or 0.0)


def _job_state(trainjob: KubeObject, pods: list[KubeObject], nodes: int, hold: Hold | None) -> State:
    if conditions.is_true(trainjob, "Complete"):
        return State.COMPLETE
    if conditions.is_true(trainjob, "Failed"):
        return State.FAILED
    if trainjob["spec"].get("suspend"):
        if STOPPED_BY_ANNOTATION in (trainjob["metadata"].get("annotations") or {}):
            return State.STOPPED
        is_queued = kueue.is_held(trainjob) and (hold is None or hold.active)
        return State.QUEUED if is_queued else State.SUSPENDED
    if len(pods) >= nodes and all(_is_running(pod) or exit_code(pod) is not None for pod in pods):
        return State.RUNNING
    newest = [pod for pod in pods if phases.restart_count([pod]) == phases.restart_count(pods)]
    if any(exit_code(pod) == 0 for pod in newest):
        return State.RUNNING  # Without room for all nodes at once, some end before others start.
    if any(_is_scheduled(pod) for pod in pods):
        return State.STARTING
    return State.QUEUED


def _state_reason(
    trainjob: KubeObject,
    pods: list[KubeObject],
    state: State,
    warning: kubernetes_reasons.WarningEvent | None,
    hold: Hold | None,
) -> str:
    if state is State.FAILED:
        failed = conditions.get_condition(trainjob, "Failed") or {}
        return str(failed.get("message", ""))
    if state is State.STOPPED:
        return f"stopped by {trainjob['metadata']['annotations'][STOPPED_BY_ANNOTATION]}"
    problem = "" if pods or state.finished else feasibility.infeasible_reason(trainjob)
    if problem:
        return f"it can never run: {problem}. Delete it and send it again with another value."
    if state in (State.QUEUED, State.SUSPENDED) and kueue.is_held(trainjob):
        return (hold or kueue.explain_hold(trainjob, None)).cause.sentence
    if state in (State.QUEUED, State.STARTING):
        for pod in pods:
            cause = kubernetes_reasons.explain_waiting_pod(pod)
            if cause is not None:
                return cause.sentence
        if warning is not None:
            cause = (
                kubernetes_reasons.explain_startup_warning(warning)
                if pods
                else kubernetes_reasons.explain_rejection(warning.message)
            )
            return cause.sentence if cause is not None else ""
    return ""


def _is_scheduled(pod: KubeObject) -> bool:
    return bool(pod["spec"].get("nodeName"))


def _is_running(pod: KubeObject) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running"


def end_time(trainjob: KubeObject) -> float | None:
    """Return when the job completed or failed according to its conditions, in unix seconds; None before."""
    for name in ("Complete", "Failed"):
        condition = conditions.get_condition(trainjob, name)
        if condition and condition["status"] == "True":
            return unix_seconds(condition["lastTransitionTime"])
    return None


def _finish_time(trainjob: KubeObject, record: Telemetry) -> float | None:
    """Return when the job ended: the later of the condition's time and the ranks' own reports."""
    return max((time for time in (end_time(trainjob), record.ended()) if time is not None), default=None)
