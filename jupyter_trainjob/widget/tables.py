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
from jupyter_trainjob.client.snapshot import Snapshot
from jupyter_trainjob.widget.text import clean

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


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells below a head."""
    lines = [head, *([" ".join(clean(cell).split()) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
