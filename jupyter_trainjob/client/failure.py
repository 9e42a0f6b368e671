"""Why a job failed, in a few lines: from its condition, its ranks' exceptions and its pods' exit codes. Pure.

The first of these that knows something is told: the deadline, an exception that a rank reported, a pod that was taken
away or killed, torchrun's report, exceptions that only complain of lost ranks, the exit code of a program that said
nothing, a pod that never ran, the API's own words.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import replace

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.client import causes, elastic, stalls, victims
from jupyter_trainjob.client.amounts import span
from jupyter_trainjob.client.snapshot import Failure, LogLine
from jupyter_trainjob.constants import NODE_CONTAINER, RUNTIME_ANNOTATION
from jupyter_trainjob.controller.status import DEADLINE_EXCEEDED
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.record import RankError, Record

ASKED_TO_END = 128 + signal.SIGTERM
CANNOT_START = "Correct the command or the image of the runtime: its container could not be started."
MORE_TIME = "Give it more with --deadline, or less to do; the time in the queue counts as well."


def training_container(pod: Object) -> str:
    """Return the name of the container of a pod that trains: its log and its exit code count."""
    names = [str(container["name"]) for container in pod["spec"]["containers"]]
    return NODE_CONTAINER if NODE_CONTAINER in names else names[0]


def exit_code(pod: Object) -> int | None:
    """Return the exit code of a pod's program, None while it runs or if it never did."""
    found = _terminated(pod)
    return None if found is None else int(found[1].get("exitCode", 0))


def why(
    trainjob: Object,
    pods: list[Object],
    record: Record,
    *,
    processes: int = 1,
    nodes: int = 0,
    log: Sequence[LogLine] = (),
) -> Failure:
    """Return why a failed job failed.

    `pods` are the newest of each index, of `nodes` that the job asks for, each with that many `processes`.
    """
    found = _cause(trainjob, pods, record, record.world or len(pods) * processes, processes=processes, log=log)
    # Without torch each rank is a world of its own.
    ranks = max(record.world or 0, max(nodes, len(pods)) * processes)
    return replace(found, first=victims.course(record, first=found.rank, ranks=ranks))


def _cause(
    trainjob: Object, pods: list[Object], record: Record, ranks: int, *, processes: int, log: Sequence[LogLine]
) -> Failure:
    condition = conditions.get(trainjob, "Failed") or {}
    if condition.get("reason") == DEADLINE_EXCEEDED:
        limit = trainjob["spec"].get("activeDeadlineSeconds") or 0
        headline = f"the job took longer than its deadline of {span(limit)}"
        hang = stalls.find_last(record, ranks=ranks)
        return _too_late(headline, pods, processes) if hang is None else _hung(hang, f"{headline}; ")
    errors = victims.by_blame(record.errors())
    missing = next((said for each in errors if (said := stalls.absent(record, each.message, ranks=ranks))), "")
    if missing:
        return _never_came(missing, errors[0], pods, processes)
    if errors and not victims.is_follow_up(errors[0]):
        return _raised(errors[0], trainjob)
    lost = _lost(pods, processes)
    # NCCL's watchdog aborts a rank that has waited for too long.
    hang = stalls.find_last(record, ranks=ranks) if errors or (lost and "SIGABRT" in lost.headline) else None
    if hang is not None and (lost is None or "SIGABRT" in lost.headline):
        return _hung(hang)
    if lost is not None:
        return lost
    since = min((seconds(pod["metadata"]["creationTimestamp"]) for pod in pods), default=0.0)
    cause = elastic.root_cause(log, since=since)
    if cause is not None and cause.code != ASKED_TO_END and not (errors and not causes.is_signal(cause.code)):
        found = Failure(_headline(f"rank {cause.rank}", cause.code), cause.rank, remedy=_remedy(cause.code))
        return _with_remedy(found, [line.text for line in log])
    if errors:
        return _raised(errors[0], trainjob)
    # Who was asked to end (SIGTERM) is a victim: the times of the API are too coarse to tell who failed first.
    for pod in sorted(pods, key=lambda pod: (exit_code(pod) == ASKED_TO_END, _ended_at(pod))):
        code, node = exit_code(pod), node_index(pod)
        if code:
            found = _ended(pod, code, processes)
            return _with_remedy(found, [found.headline, *(line.text for line in log if line.rank == node)])
        status = pod.get("status") or {}
        if code is None and status.get("phase") == "Failed":
            reason = status.get("message") or status.get("reason") or "it says no reason"
            return Failure(f"{_who(node, processes)} could not run: {reason}", _rank(node, processes))
    return Failure(str(condition.get("message") or condition.get("reason") or "the job failed"))


def _too_late(headline: str, pods: list[Object], processes: int) -> Failure:
    """Tell a passed deadline, and what a node was still waiting for then."""
    for pod in pods:
        found = causes.waiting(pod)
        if found is not None:
            who = _who(node_index(pod), processes)
            return Failure(f"{headline}; {who} was still waiting: {found.text}", remedy=found.remedy or MORE_TIME)
    return Failure(headline, remedy=MORE_TIME)


def _hung(hang: stalls.Hang, before: str = "") -> Failure:
    return Failure(
        f"{before}{hang.text}",
        hang.rank,
        where=hang.where,
        source=hang.source,
        traceback=hang.stack,
        remedy=stalls.REMEDY,
    )


def _never_came(missing: str, error: RankError, pods: list[Object], processes: int) -> Failure:
    """Tell who was missing at the rendezvous, and why as far as its pod says."""
    held = ((pod, causes.waiting(pod) or causes.taken_away(pod)) for pod in pods)
    found = next(((pod, cause) for pod, cause in held if cause is not None), None)
    if found is None:
        remedy = "Its log says what it did instead; see whether the ranks take equally long to begin."
        return Failure(missing, traceback=error.traceback, remedy=remedy)
    who, cause = _who(node_index(found[0]), processes), found[1]
    return Failure(f"{missing}: {who} {cause.text}", traceback=error.traceback, remedy=cause.remedy)


def _raised(error: RankError, trainjob: Object) -> Failure:
    headline = f"{error.type}: {error.message}" if error.message else error.type
    found = Failure(headline, error.rank, where=error.where, source=error.source, traceback=error.traceback)
    if error.type == "ModuleNotFoundError":
        named = (trainjob["metadata"].get("annotations") or {}).get(RUNTIME_ANNOTATION)
        runtime = named or (trainjob["spec"].get("runtimeRef") or {}).get("name") or ""
        found = replace(found, remedy=causes.missing_module(error.message, runtime))
    return _with_remedy(found, [headline, error.traceback])


def _lost(pods: list[Object], processes: int) -> Failure | None:
    """Return the first pod that the cluster or a signal ended, which leaves others nothing but to complain."""
    for pod in sorted(pods, key=_ended_at):
        code, node = exit_code(pod), node_index(pod)
        taken = causes.taken_away(pod) if code != 0 else None
        if taken is not None:
            return Failure(f"{_who(node, processes)} {taken.text}", _rank(node, processes), remedy=taken.remedy)
    for pod in sorted(pods, key=_ended_at):
        code = exit_code(pod)
        if code is not None and causes.is_signal(code) and code != ASKED_TO_END:
            return _ended(pod, code, processes)
    return None


def _ended(pod: Object, code: int, processes: int) -> Failure:
    node = node_index(pod)
    name, terminated = _terminated(pod) or ("", {})
    who = _who(node, processes)
    if name != training_container(pod):
        who = f"container {name!r} of {who}"
    headline = _headline(who, code)
    if terminated.get("reason") == "OOMKilled":
        headline = f"{who} was killed: it took more memory than its limit (exit code {code}, OOMKilled)"
    message = str(terminated.get("message") or "").strip()
    if message:
        headline = f"{headline}: {message.splitlines()[0]}"
    remedy = CANNOT_START if terminated.get("reason") == "StartError" else _remedy(code)
    return Failure(headline, _rank(node, processes), remedy=remedy)


def _headline(who: str, code: int) -> str:
    if not causes.is_signal(code):
        return f"{who} ended with exit code {code}"
    return f"{who} was killed (exit code {code}, {causes.ended_by(code).text})"


def _remedy(code: int) -> str:
    return causes.ended_by(code).remedy if causes.is_signal(code) else ""


def _who(node: int, processes: int) -> str:
    return f"rank {node}" if processes == 1 else f"node {node}"


def _rank(node: int, processes: int) -> int | None:
    return node if processes == 1 else None


def _with_remedy(failure: Failure, texts: Sequence[str]) -> Failure:
    if failure.remedy:
        return failure
    remedy = next((remedy for pattern, remedy in causes.REMEDIES if _any(pattern, texts)), "")
    return replace(failure, remedy=remedy)


def _any(pattern: str, texts: Sequence[str]) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for text in texts)


def _ended_at(pod: Object) -> tuple[float, int]:
    found = _terminated(pod)
    finished = found[1].get("finishedAt") if found else None
    return seconds(finished) if finished else float("inf"), node_index(pod)


def _terminated(pod: Object) -> tuple[str, Object] | None:
    """Return which container ended a pod, and how: the one that trains, or another that failed and took it along."""
    status = pod.get("status") or {}
    ended = {
        str(one["name"]): dict(one["state"]["terminated"])
        for one in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
        if (one.get("state") or {}).get("terminated")
    }
    trains = training_container(pod)
    if trains in ended:
        return trains, ended[trains]
    if status.get("phase") != "Failed":
        return None
    return next(((name, how) for name, how in ended.items() if how.get("exitCode")), None)
