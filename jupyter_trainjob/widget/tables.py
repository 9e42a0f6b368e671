"""Lists of things as tables of text: what the line magic and the command line print.

Comes in plain values, goes out text without control characters, one row a line, columns as wide as they need.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_trainjob.api.times import age
from jupyter_trainjob.client.doctor.check import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.client.runtimes import Runtime
from jupyter_trainjob.client.snapshot import Gpu, Node, Snapshot
from jupyter_trainjob.widget.text import clean, percent, value

_VERDICTS = {OK: "✓", NOTE: "!", PROBLEM: "✕"}


def jobs(snapshots: Sequence[Snapshot], *, now: float | None = None) -> str:
    """Return one row per job."""
    if not snapshots:
        return "There are no jobs. Write %%trainjob on top of a cell to start one."
    now = time.time() if now is None else now
    rows = [
        (
            job.name,
            job.state.value,
            str(job.nodes),
            "" if job.progress is None else f"{job.progress:.0%}",
            age(now - job.created),
        )
        for job in snapshots
    ]
    return columns(("NAME", "STATE", "NODES", "PROGRESS", "AGE"), rows)


def nodes(found: Sequence[Node]) -> str:
    """Return one row per node: where it is, how it is, how fast, and what it uses."""
    rows = [
        (
            str(node.index),
            node.state,
            node.host,
            "" if node.exit_code is None else str(node.exit_code),
            str(node.restarts or ""),
            pace(node),
            "" if node.usage is None else _of(f"{node.usage.cpu:.1f}", node.usage.cpu_limit, "g"),
            "" if node.usage is None else size(node.usage.memory),
            "; ".join(_gpu(gpu) for gpu in node.usage.gpus) if node.usage else "",
            node.reason,
        )
        for node in found
    ]
    head = ("NODE", "STATE", "HOST", "EXIT", "RESTARTS", "STEP", "CORES", "MEMORY", "GPU", "REASON")
    filled = [column for column, _ in enumerate(head) if column < 2 or any(row[column] for row in rows)]
    return columns([head[i] for i in filled], [[row[i] for i in filled] for row in rows])


def pace(node: Node) -> str:
    """Return how long a step takes on the slowest rank of a node: ``61 ms slow``."""
    timed = [rank for rank in node.ranks if rank.step_time is not None]
    if not timed:
        return ""
    longest = max(timed, key=lambda rank: rank.step_time or 0.0)
    took = longest.step_time or 0.0
    words = f"{took * 1000:.0f} ms" if took >= 0.01 else f"{took * 1000:.2g} ms"
    words = words if took < 1 else f"{value(took)} s"
    return f"{words} slow" if any(rank.slow for rank in node.ranks) else words


def node_note(node: Node) -> tuple[str, str]:
    """Return what matters most of a node in two or three words, and the tone to say it in."""
    if node.state == "Failed":
        code = "" if node.exit_code is None else f" {node.exit_code}"
        return (f"exit{code}" if code else node.reason or "Failed"), "bad"
    if any(rank.slow for rank in node.ranks):
        return pace(node), "warn"
    if node.state == "Waiting":
        return node.reason or node.state, "quiet"
    return pace(node) or node.state, "quiet"


def cpu_share(node: Node) -> float | None:
    """Return the share of its CPUs that a node uses; None where no limit is known."""
    if node.usage is None or not node.usage.cpu_limit:
        return None
    return node.usage.cpu / node.usage.cpu_limit


def size(count: int) -> str:
    """Return a number of bytes: ``512 MiB``, ``5.1 GiB``."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= scale:
            number = count / scale
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{count / 1024:.0f} KiB"


def events(found: Sequence[Mapping[str, Any]], *, now: float | None = None) -> str:
    """Return one row per event."""
    if not found:
        return "The cluster has no events of this job; it forgets them after a while."
    now = time.time() if now is None else now
    rows = [
        (
            age(now - event["time"]) + (f" (x{event['count']})" if event["count"] > 1 else ""),
            event["type"],
            event["reason"],
            event["object"],
            event["message"],
        )
        for event in found
    ]
    return columns(("AGE", "TYPE", "REASON", "OBJECT", "MESSAGE"), rows)


def runtimes(found: Sequence[Runtime]) -> str:
    """Return one row per runtime."""
    if not found:
        return "There are no runtimes."
    rows = [(each.name, each.framework, str(each.nodes), each.kind, each.image) for each in found]
    return columns(("NAME", "FRAMEWORK", "NODES", "KIND", "IMAGE"), rows)


def checks(found: Sequence[Check]) -> str:
    """Return one row per check, and below each what to do."""
    width = max((len(check.name) for check in found), default=0)
    lines = []
    for check in found:
        lines.append(f"{_VERDICTS[check.verdict]} {check.name:<{width}}  {' '.join(clean(check.what).split())}")
        if check.what_to_do:
            lines.append(f"  {'':<{width}}  → {check.what_to_do}")
    return "\n".join(lines)


def _of(used: str, limit: float | None, form: str) -> str:
    return used if limit is None else f"{used} of {limit:{form}}"


def _gpu(gpu: Gpu) -> str:
    busy = "" if gpu.busy is None else f" {percent(gpu.busy)}"
    return f"{gpu.name}{busy}, {size(gpu.memory)} of {size(gpu.memory_total)}"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells below a head."""
    lines = [head, *([" ".join(clean(cell).split()) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
