"""``%trainjob list|show|logs|stop|delete``: looks after jobs, of this kernel or any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jupyter_trainjob.magics import arguments

if TYPE_CHECKING:
    import argparse

    from jupyter_trainjob.client.handle import TrainJob
    from jupyter_trainjob.client.snapshot import Snapshot


def run(line: str) -> None:
    """Carry out one line."""
    chosen = arguments.parse(arguments.line_parser(), line)
    _COMMANDS[chosen.command](chosen)


def table(snapshots: Sequence[Snapshot], *, now: float | None = None) -> str:
    """Return jobs as a table of text."""
    if not snapshots:
        return "There are no jobs. Write %%trainjob on top of a cell to start one."
    now = time.time() if now is None else now
    rows = [("NAME", "STATE", "NODES", "PROGRESS", "AGE")]
    for job in snapshots:
        progress = "" if job.progress is None else f"{job.progress:.0%}"
        rows.append((job.name, job.state.value, str(job.nodes), progress, age(now - job.created)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def age(seconds: float) -> str:
    """Return a time span in its largest unit: 12s, 5m, 3h, 2d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _list(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client.jobs import overview

    print(table(overview(context=chosen.context, namespace=chosen.namespace)))


def _show(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.widget.show import show

    show(_job(chosen))


def _logs(chosen: argparse.Namespace) -> None:
    print(_job(chosen).logs(chosen.rank))


def _stop(chosen: argparse.Namespace) -> None:
    job = _job(chosen)
    job.stop()
    print(f"{job.name}: {job.status().value}.")


def _delete(chosen: argparse.Namespace) -> None:
    job = _job(chosen)
    job.delete()
    print(f"{job.name} is deleted.")


def _job(chosen: argparse.Namespace) -> TrainJob:
    from jupyter_trainjob.client.jobs import get

    return get(chosen.job, context=chosen.context, namespace=chosen.namespace)


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "list": _list,
    "show": _show,
    "logs": _logs,
    "stop": _stop,
    "delete": _delete,
}
