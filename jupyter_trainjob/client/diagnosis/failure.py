"""Explain why a job failed, from its condition, its ranks' exceptions and its pods' exit codes. Pure.

The first explanation that applies is used: the deadline, an exception that a rank reported, a pod that was evicted or
killed, torchrun's report, exceptions that follow from lost ranks, the exit code of a program that reported nothing, a
pod that never ran, the message of the condition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.conditions import DEADLINE_EXCEEDED
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.client.diagnosis import hangs, kubernetes_reasons, root_cause, torchrun_errors
from jupyter_trainjob.client.diagnosis.root_cause import SIGTERM_EXIT_CODE
from jupyter_trainjob.client.snapshot import Failure, LogLine
from jupyter_trainjob.client.spec.units import format_duration
from jupyter_trainjob.constants import NODE_CONTAINER, RUNTIME_ANNOTATION
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.telemetry import RankError, Telemetry

START_REMEDY = "Correct the command or the image of the runtime: its container could not be started."
DEADLINE_REMEDY = "Set a longer --deadline, or reduce the work; the time in the queue counts as well."


def training_container(pod: KubeObject) -> str:
    """Return the name of the training container of a pod, whose log and exit code are used."""
    names = [str(container["name"]) for container in pod["spec"]["containers"]]
    return NODE_CONTAINER if NODE_CONTAINER in names else names[0]


def exit_code(pod: KubeObject) -> int | None:
    """Return the exit code of a pod's program; None while it runs or if it never ran."""
    container = _terminated_container(pod)
    return None if container is None else int(container[1].get("exitCode", 0))


def explain_failure(
    trainjob: KubeObject,
    pods: list[KubeObject],
    record: Telemetry,
    *,
    processes: int = 1,
    nodes: int = 0,
    log: Sequence[LogLine] = (),
) -> Failure:
    """Return why a failed job failed.

    `pods` are the newest pods of the `nodes` nodes, each with `processes` ranks; `log` are the newest lines of the job.
    """
    failure = _find_cause(trainjob, pods, record, record.world or len(pods) * processes, processes=processes, log=log)
    # Without torch, each rank reports a world size of 1.
    ranks = max(record.world or 0, max(nodes, len(pods)) * processes)
    codes = {node_index(pod): code for pod in pods if (code := exit_code(pod)) is not None} if processes == 1 else {}
    order = root_cause.describe_failure_order(record, first=failure.rank, ranks=ranks, exit_codes=codes)
    return replace(failure, first=order)


def _find_cause(
    trainjob: KubeObject,
    pods: list[KubeObject],
    record: Telemetry,
    ranks: int,
    *,
    processes: int,
    log: Sequence[LogLine],
) -> Failure:
    condition = conditions.get_condition(trainjob, "Failed") or {}
    if condition.get("reason") == DEADLINE_EXCEEDED:
        limit = trainjob["spec"].get("activeDeadlineSeconds") or 0
        headline = f"the job took longer than its deadline of {format_duration(limit)}"
        hang = hangs.find_final_hang(record, ranks=ranks)
        return _deadline_failure(headline, pods, processes) if hang is None else _hang_failure(hang, f"{headline}; ")
    errors = root_cause.causes_first(record.errors())
    missing_texts = (hangs.missing_at_rendezvous(record, error.message, ranks=ranks) for error in errors)
    missing = next(filter(None, missing_texts), "")
    if missing:
        return _rendezvous_failure(missing, errors[0], pods, processes)
    if errors and not root_cause.is_follow_up(errors[0]):
        return _exception_failure(errors[0], trainjob)
    lost = _external_failure(pods, processes)
    # NCCL's watchdog aborts a rank whose collective operation has timed out.
    hang = hangs.find_final_hang(record, ranks=ranks) if errors or (lost and "SIGABRT" in lost.headline) else None
    if hang is not None and (lost is None or "SIGABRT" in lost.headline):
        return _hang_failure(hang)
    if lost is not None:
        return lost
    since = min((unix_seconds(pod["metadata"]["creationTimestamp"]) for pod in pods), default=0.0)
    cause = torchrun_errors.find_root_cause(log, since=since)
    if (
        cause is not None
        and cause.code != SIGTERM_EXIT_CODE
        and not (errors and not kubernetes_reasons.is_signal(cause.code))
    ):
        failure = Failure(_exit_headline(f"rank {cause.rank}", cause.code), cause.rank, remedy=_exit_remedy(cause.code))
        return _with_remedy(failure, [line.text for line in log])
    if errors:
        return _exception_failure(errors[0], trainjob)
    # A pod ended by SIGTERM did not fail first; API times are too coarse to order the others by time alone.
    for pod in sorted(pods, key=lambda pod: (exit_code(pod) == SIGTERM_EXIT_CODE, _end_order(pod))):
        code, node = exit_code(pod), node_index(pod)
        if code:
            failure = _exit_failure(pod, code, processes)
            return _with_remedy(failure, [failure.headline, *(line.text for line in log if line.rank == node)])
        status = pod.get("status") or {}
        if code is None and status.get("phase") == "Failed":
            reason = status.get("message") or status.get("reason") or "no reason is given"
            return Failure(f"{_rank_or_node(node, processes)} could not run: {reason}", _rank_of_node(node, processes))
    return Failure(str(condition.get("message") or condition.get("reason") or "the job failed"))


def _deadline_failure(headline: str, pods: list[KubeObject], processes: int) -> Failure:
    """Return the failure of a job past its deadline, with what a node was still waiting for."""
    for pod in pods:
        cause = kubernetes_reasons.explain_waiting_pod(pod)
        if cause is not None:
            rank = _rank_or_node(node_index(pod), processes)
            return Failure(
                f"{headline}; {rank} was still waiting: {cause.text}", remedy=cause.remedy or DEADLINE_REMEDY
            )
    return Failure(headline, remedy=DEADLINE_REMEDY)


def _hang_failure(hang: hangs.Hang, before: str = "") -> Failure:
    return Failure(
        f"{before}{hang.text}",
        hang.rank,
        where=hang.where,
        source=hang.source,
        traceback=hang.stack,
        remedy=hangs.REMEDY,
    )


def _rendezvous_failure(missing: str, error: RankError, pods: list[KubeObject], processes: int) -> Failure:
    """Return the failure of a rendezvous with `missing` ranks, with the reason of a pod that could not run."""
    causes = (
        (pod, kubernetes_reasons.explain_waiting_pod(pod) or kubernetes_reasons.explain_disruption(pod)) for pod in pods
    )
    blocked = next(((pod, cause) for pod, cause in causes if cause is not None), None)
    if blocked is None:
        remedy = "See its log, and check whether all ranks start within the rendezvous timeout."
        return Failure(missing, traceback=error.traceback, remedy=remedy)
    rank, cause = _rank_or_node(node_index(blocked[0]), processes), blocked[1]
    return Failure(f"{missing}: {rank} {cause.text}", traceback=error.traceback, remedy=cause.remedy)


def _exception_failure(error: RankError, trainjob: KubeObject) -> Failure:
    headline = f"{error.type}: {error.message}" if error.message else error.type
    failure = Failure(headline, error.rank, where=error.where, source=error.source, traceback=error.traceback)
    if error.type == "ModuleNotFoundError":
        user_choice = (trainjob["metadata"].get("annotations") or {}).get(RUNTIME_ANNOTATION)
        runtime = user_choice or (trainjob["spec"].get("runtimeRef") or {}).get("name") or ""
        failure = replace(failure, remedy=kubernetes_reasons.missing_module_remedy(error.message, runtime))
    return _with_remedy(failure, [headline, error.traceback])


def _external_failure(pods: list[KubeObject], processes: int) -> Failure | None:
    """Return the failure of the first pod that the cluster or a signal ended; other ranks' errors follow from it."""
    for pod in sorted(pods, key=_end_order):
        code, node = exit_code(pod), node_index(pod)
        disruption = kubernetes_reasons.explain_disruption(pod) if code != 0 else None
        if disruption is not None:
            return Failure(
                f"{_rank_or_node(node, processes)} {disruption.text}",
                _rank_of_node(node, processes),
                remedy=disruption.remedy,
            )
    for pod in sorted(pods, key=_end_order):
        code = exit_code(pod)
        if code is not None and kubernetes_reasons.is_signal(code) and code != SIGTERM_EXIT_CODE:
            return _exit_failure(pod, code, processes)
    return None


def _exit_failure(pod: KubeObject, code: int, processes: int) -> Failure:
    node = node_index(pod)
    name, terminated = _terminated_container(pod) or ("", {})
    culprit = _rank_or_node(node, processes)
    if name != training_container(pod):
        culprit = f"container {name!r} of {culprit}"
    headline = _exit_headline(culprit, code)
    if terminated.get("reason") == "OOMKilled":
        headline = f"{culprit} was killed: it took more memory than its limit (exit code {code}, OOMKilled)"
    message = str(terminated.get("message") or "").strip()
    if message:
        headline = f"{headline}: {message.splitlines()[0]}"
    remedy = START_REMEDY if terminated.get("reason") == "StartError" else _exit_remedy(code)
    return Failure(headline, _rank_of_node(node, processes), remedy=remedy)


def _exit_headline(culprit: str, code: int) -> str:
    if not kubernetes_reasons.is_signal(code):
        return f"{culprit} ended with exit code {code}"
    return f"{culprit} was killed (exit code {code}, {kubernetes_reasons.explain_signal(code).text})"


def _exit_remedy(code: int) -> str:
    return kubernetes_reasons.explain_signal(code).remedy if kubernetes_reasons.is_signal(code) else ""


def _rank_or_node(node: int, processes: int) -> str:
    return f"rank {node}" if processes == 1 else f"node {node}"


def _rank_of_node(node: int, processes: int) -> int | None:
    return node if processes == 1 else None


def _with_remedy(failure: Failure, texts: Sequence[str]) -> Failure:
    if failure.remedy:
        return failure
    remedy = next((remedy for pattern, remedy in kubernetes_reasons.REMEDIES if _matches_any(pattern, texts)), "")
    return replace(failure, remedy=remedy)


def _matches_any(pattern: str, texts: Sequence[str]) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for text in texts)


def _end_order(pod: KubeObject) -> tuple[float, int]:
    container = _terminated_container(pod)
    finished = container[1].get("finishedAt") if container else None
    return unix_seconds(finished) if finished else float("inf"), node_index(pod)


def _terminated_container(pod: KubeObject) -> tuple[str, KubeObject] | None:
    """Return name and state of the container that ended a pod: the training container, or another that failed."""
    status = pod.get("status") or {}
    terminated = {
        str(container["name"]): dict(container["state"]["terminated"])
        for container in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
        if (container.get("state") or {}).get("terminated")
    }
    training = training_container(pod)
    if training in terminated:
        return training, terminated[training]
    if status.get("phase") != "Failed":
        return None
    return next(((name, state) for name, state in terminated.items() if state.get("exitCode")), None)
