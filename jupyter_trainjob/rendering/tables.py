"""Format lists as text tables, for the line magic and the command line.

Each function returns a header and one line per row, sanitized, with columns as wide as their widest cell.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_trainjob.api.times import format_age
from jupyter_trainjob.client.doctor.finding import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.client.snapshot import Gpu, Node, Snapshot
from jupyter_trainjob.rendering.text import format_percent, format_value, sanitize

if TYPE_CHECKING:
    from jupyter_trainjob.client.spec.runtimes import Runtime

MAX_REASON = 50
"""Maximum characters of a job's reason in its row: with the other columns it fits into the width of a notebook."""
_VERDICTS = {OK: "✓", NOTE: "!", PROBLEM: "✕"}


def jobs(snapshots: Sequence[Snapshot], *, now: float | None = None) -> str:
    """Return one row per job, with a column for reasons if a job has one.

    `now` is in seconds since 1970, for the age (default: the current time).
    """
    if not snapshots:
        return "There are no jobs. Write %%trainjob on top of a cell to start one."
    now = time.time() if now is None else now
    rows = [
        (
            job.name,
            job.state.value,
            str(job.nodes),
            "" if job.progress is None else format_percent(job.progress),
            format_age(now - job.created),
            _reason(job),
        )
        for job in snapshots
    ]
    head = ("NAME", "STATE", "NODES", "PROGRESS", "AGE", "REASON")
    if not any(reason for *_, reason in rows):
        return columns(head[:-1], [row[:-1] for row in rows])
    return columns(head, rows)


def _reason(job: Snapshot) -> str:
    lines = sanitize(job.reason if job.failure is None else job.failure.headline).strip().splitlines()
    first = lines[0] if lines else ""
    return first if len(first) <= MAX_REASON else f"{first[: MAX_REASON - 1]}…"


def metrics(snapshot: Snapshot, *, max_rows: int) -> str:
    """Return one row per metric: its last mean over ranks, with the lowest and the highest rank's value."""
    rows = []
    for name, mean in list(snapshot.metrics.items())[:max_rows]:
        low, high = snapshot.ranges.get(name, (mean, mean))
        rows.append((name, format_value(mean), format_value(low), format_value(high)))
    ranks_differ = any(row[1] != row[2] or row[1] != row[3] for row in rows)
    if not ranks_differ:
        return columns(("METRIC", "VALUE"), [row[:2] for row in rows])
    return columns(("METRIC", "MEAN", "LOW", "HIGH"), rows)


def nodes(nodes: Sequence[Node]) -> str:
    """Return one row per node: state, host, exit code, restarts, step time, resource usage; without empty columns."""
    rows = [
        (
            str(node.index),
            node.state,
            node.host,
            "" if node.exit_code is None else str(node.exit_code),
            str(node.restarts or ""),
            format_step_time(node),
            "" if node.usage is None else _with_limit(f"{node.usage.cpu:.1f}", node.usage.cpu_limit, "g"),
            "" if node.usage is None else format_bytes(node.usage.memory),
            "; ".join(_gpu_text(gpu) for gpu in node.usage.gpus) if node.usage else "",
            node.reason,
        )
        for node in nodes
    ]
    head = ("NODE", "STATE", "HOST", "EXIT", "RESTARTS", "STEP", "CORES", "MEMORY", "GPU", "REASON")
    filled = [column for column, _ in enumerate(head) if column < 2 or any(row[column] for row in rows)]
    return columns([head[i] for i in filled], [[row[i] for i in filled] for row in rows])


def format_step_time(node: Node) -> str:
    """Return the step time of a node's slowest rank, such as ``61 ms slow``; empty if unknown."""
    timed = [rank for rank in node.ranks if rank.step_time is not None]
    if not timed:
        return ""
    seconds = max(rank.step_time or 0.0 for rank in timed)
    text = f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2g} ms"
    text = text if seconds < 1 else f"{format_value(seconds)} s"
    return f"{text} slow" if any(rank.slow for rank in node.ranks) else text


def node_note(node: Node) -> tuple[str, str]:
    """Return the most important fact about a node in two or three words, with the tone to show it in."""
    if node.state == "Failed":
        code = "" if node.exit_code is None else f" {node.exit_code}"
        return (f"exit{code}" if code else node.reason or "Failed"), "bad"
    if any(rank.slow for rank in node.ranks):
        return format_step_time(node), "warn"
    if node.state == "Waiting":
        return node.reason or node.state, "quiet"
    return format_step_time(node) or node.state, "quiet"


def cpu_share(node: Node) -> float | None:
    """Return the used share of a node's CPU limit, from 0 to 1; None if it has no known limit."""
    if node.usage is None or not node.usage.cpu_limit:
        return None
    return node.usage.cpu / node.usage.cpu_limit


def format_bytes(count: int) -> str:
    """Format a number of bytes.

    >>> format_bytes(512 * 2**20), format_bytes(5 * 2**30)
    ('512 MiB', '5.0 GiB')
    """
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= scale:
            number = count / scale
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{count / 1024:.0f} KiB"


def events(events: Sequence[Mapping[str, Any]], *, now: float | None = None) -> str:
    """Return one row per event, as `TrainJob.events` returns them.

    `now` is in seconds since 1970, for the age (default: the current time).
    """
    if not events:
        return "The cluster has no events of this job; it deletes events after some time."
    now = time.time() if now is None else now
    rows = [
        (
            format_age(now - event["time"]) + (f" (x{event['count']})" if event["count"] > 1 else ""),
            event["type"],
            event["reason"],
            event["object"],
            event["message"],
        )
        for event in events
    ]
    return columns(("AGE", "TYPE", "REASON", "OBJECT", "MESSAGE"), rows)


def runtimes(runtimes: Sequence[Runtime], *, embedded: bool) -> str:
    """Return one row per runtime; without its image on the embedded cluster, which uses none."""
    if not runtimes:
        return "There are no runtimes."
    rows = [(runtime.name, runtime.framework, str(runtime.nodes), runtime.kind, runtime.image) for runtime in runtimes]
    head = ("NAME", "FRAMEWORK", "NODES", "KIND", "IMAGE")
    if not embedded:
        return columns(head, rows)
    table = columns(head[:-1], [row[:-1] for row in rows])
    return f"{table}\nOn this computer all of them run in the Python environment of the notebook that sends the job."


def checks(checks: Sequence[Check]) -> str:
    """Return one row per check, each with its remedy below it."""
    width = max((len(check.name) for check in checks), default=0)
    lines = []
    for check in checks:
        lines.append(f"{_VERDICTS[check.verdict]} {check.name:<{width}}  {' '.join(sanitize(check.message).split())}")
        if check.remedy:
            lines.append(f"  {'':<{width}}  → {check.remedy}")
    return "\n".join(lines)


def _with_limit(used: str, limit: float | None, form: str) -> str:
    return used if limit is None else f"{used} of {limit:{form}}"


def _gpu_text(gpu: Gpu) -> str:
    busy = "" if gpu.busy is None else f" {format_percent(gpu.busy)}"
    return f"{gpu.name}{busy}, {format_bytes(gpu.memory)} of {format_bytes(gpu.memory_total)}"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with a header; each cell becomes one sanitized line."""
    lines = [head, *([" ".join(sanitize(cell).split()) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
