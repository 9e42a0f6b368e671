"""Query a job's log: the stored lines, or everything that the logs of its pods still contain.

The history stores the newest lines of each node. `LogLines.note` counts the lines before these and names the option
that reads them from the pods, which have their logs until they are deleted.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, KubeObject
from jupyter_trainjob.client.diagnosis.failure import training_container
from jupyter_trainjob.client.snapshot import LogLine
from jupyter_trainjob.client.state.own_pods import own_pods
from jupyter_trainjob.client.watching import log_buffer
from jupyter_trainjob.client.watching.job_follower import JobFollower
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.kube.client import LogStream
from jupyter_trainjob.metrics.history import MAX_LINES, StoredLine, node_index
from jupyter_trainjob.metrics.log_lines import PodLogLine, parse_lines


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines to return, and from where."""

    rank: int | None = None
    """Only lines of this node; None for all nodes."""
    follow: bool = False
    """Continue until the job is over."""
    all_lines: bool = False
    """Read the logs of the pods, not only the stored lines."""
    pattern: str | None = None
    regex: bool = False
    errors_only: bool = False


@dataclass(frozen=True, slots=True)
class LogLines:
    """The lines that match a query."""

    lines: Iterator[str]
    note: errors.LinesLeftOut | None
    """A warning with the number of earlier lines that are missing; None if there are none."""


def read_log(follower: JobFollower, query: LogQuery, *, name: str) -> LogLines:
    """Return the log lines of the job `name`; lines of all nodes are prefixed with the node's number.

    Raises `errors.UsageError` for a node that the job does not have, an invalid regular expression, `regex` without a
    pattern, and a query with both `follow` and `all_lines`.
    """
    matches = log_buffer.line_filter(query.pattern, regex=query.regex, errors_only=query.errors_only)
    nodes = follower.snapshot().nodes
    if query.rank is not None and not 0 <= query.rank < nodes:
        existing = f"nodes 0 to {nodes - 1}" if nodes > 1 else "one node, number 0"
        raise errors.UsageError(f"{name} has no node {query.rank}: it has {existing}.")
    if query.regex and not query.pattern:
        raise errors.UsageError("--regex is about the pattern, which is missing: add --pattern TEXT.")
    if query.follow and query.all_lines:
        raise errors.UsageError("A log is followed from its stored lines: read all lines first, then follow.")
    selected = (
        line for line in _select_source(follower, query) if query.rank in (None, line.rank) and matches(line.text)
    )
    width = len(str(max(0, nodes - 1)))
    texts = (line.text if query.rank is not None else f"{line.rank:>{width}} | {line.text}" for line in selected)
    return LogLines(texts, _left_out_note(follower, query, name))


def _select_source(follower: JobFollower, query: LogQuery) -> Iterable[LogLine]:
    if query.follow:
        return follower.log.stream()
    return _pod_log_lines(follower) if query.all_lines else follower.log.lines()


def _left_out_note(follower: JobFollower, query: LogQuery, name: str) -> errors.LinesLeftOut | None:
    missing = {pod: count for (pod, node), count in follower.log.dropped_counts().items() if query.rank in (None, node)}
    present = follower.present_pod_uids()
    deleted = sum(count for pod, count in missing.items() if pod not in present)
    count = deleted if query.all_lines else sum(missing.values())
    if not count:
        return None
    searched = " and not searched" if query.pattern or query.errors_only else ""
    lines = f"{count:,} earlier lines of {name} are" if count > 1 else f"1 earlier line of {name} is"
    summary = f"{lines} left out{searched}: of each node the newest {MAX_LINES:,} are kept"
    if count == deleted:
        return errors.LinesLeftOut(f"{summary}, and its pods are gone.")
    return errors.LinesLeftOut(
        f"{summary}. `jupyter trainjob logs {name} --all`, `%trainjob logs {name} --all` or "
        "logs(all_lines=True) read all that its pods still have."
    )


def _pod_log_lines(follower: JobFollower) -> Iterator[LogLine]:
    """Yield the logs of all pods in the order of time; of deleted pods, the stored lines."""
    connection, trainjob = follower.connection, follower.trainjob()
    namespace, labels = trainjob["metadata"]["namespace"], f"{JOBSET_NAME}={trainjob['metadata']['name']}"
    stored: dict[str, list[StoredLine]] = {}
    for stored_line in follower.log.stored_lines():
        stored.setdefault(stored_line[0], []).append(stored_line)
    sources: list[Iterable[StoredLine]] = []
    for pod in own_pods(trainjob, connection.watcher.list(PODS, namespace=namespace, labels=labels).items):
        try:
            stream = connection.watcher.logs(
                pod["metadata"]["name"], namespace=namespace, container=training_container(pod), timestamps=True
            )
        except (errors.NotFound, errors.BadRequest):
            continue  # The container has not started, or the pod was deleted meanwhile.
        sources.append(_read_pod_log(stream, pod, stored.pop(pod["metadata"]["uid"], [])))
    sources += stored.values()
    for _, node, line in heapq.merge(*sources, key=lambda stored_line: (*stored_line[2].position, stored_line[0])):
        yield log_buffer.to_log_line(node, line)


def _read_pod_log(stream: LogStream, pod: KubeObject, stored: list[StoredLine]) -> Iterator[StoredLine]:
    """Yield the log of a pod, after stored lines from before it: kubelets rotate logs and serve the newest file."""
    uid, node = pod["metadata"]["uid"], node_index(pod)
    try:
        lines = _final_rows(parse_lines(stream))
        first = next(lines, None)
        yield from (line for line in stored if first is None or line[2].position < first.position)
        if first is not None:
            yield uid, node, first
            yield from ((uid, node, line) for line in lines)
    finally:
        stream.close()


def _final_rows(lines: Iterable[PodLogLine]) -> Iterator[PodLogLine]:
    """Yield lines of text; of a row that the program overwrites, only the last text."""
    open_rows: dict[str, PodLogLine] = {}
    for line in lines:
        if line.frame is not None:
            continue
        open_rows.pop(line.row, None)
        if line.open:
            open_rows[line.row] = line
        elif line.text or not line.row:
            yield line
    yield from (line for line in open_rows.values() if line.text)
