"""Convert a `Snapshot` to JSON for the front end: a head of bounded size, and the nodes.

Strings come from a cluster or a pod, so control characters are removed and long ones are cut. JSON has no NaN and no
infinities: a metric with such a value is sent as a string. ``labextension/src/core/jobTypes.ts`` declares the shapes.
"""

from __future__ import annotations

import math
from typing import Any

from jupyter_trainjob.client.snapshot import Failure, Node, Rank, Snapshot, Usage
from jupyter_trainjob.feed.curve_requests import MAX_METRICS
from jupyter_trainjob.rendering.text import handle_expression, location, sanitize

MAX_LINE = 2_000
"""Maximum characters of a string."""
MAX_TRACEBACK = 20_000
"""Maximum characters of a traceback, of which the end is sent."""


def head_json(snapshot: Snapshot) -> dict[str, Any]:
    """Return all of the snapshot that has a bounded size."""
    return {
        "uid": snapshot.uid,
        "name": sanitize(snapshot.name),
        "namespace": sanitize(snapshot.namespace),
        "place": location(sanitize(snapshot.context)),
        "state": snapshot.state.value,
        "runtime": sanitize(snapshot.runtime),
        "nodes": snapshot.nodes,
        "procs_per_node": snapshot.procs_per_node,
        "reason": sanitize(snapshot.reason)[:MAX_LINE],
        "phases": [
            {"name": sanitize(phase.name), "started": phase.started, "ended": phase.ended} for phase in snapshot.phases
        ],
        "created": snapshot.created,
        "finished": snapshot.finished,
        "step": snapshot.step,
        "total": snapshot.total,
        "eta": None if snapshot.eta is None else round(snapshot.eta),
        "progress": snapshot.progress,
        "metrics": [[sanitize(name), number_json(last)] for name, last in list(snapshot.metrics.items())[:MAX_METRICS]],
        "ranks_running": snapshot.ranks_running,
        "nodes_done": snapshot.nodes_done,
        "restarts": snapshot.restarts,
        "reach": handle_expression(snapshot),
        "warnings": [sanitize(warning)[:MAX_LINE] for warning in snapshot.warnings],
        "checkpoint": _checkpoint_name(snapshot),
        "failure": None if snapshot.failure is None else _failure_json(snapshot.failure),
    }


def row_json(snapshot: Snapshot, *, followed: bool = True) -> dict[str, Any]:
    """Return the job as a row of a list.

    Of a job that is not `followed`, only the end of the log was read. If that has no checkpoint, one may have been
    saved before: its name is then the empty string, for unknown.
    """
    last = next(iter(snapshot.metrics.items()), None)
    failure = snapshot.failure
    return {
        "uid": snapshot.uid,
        "name": sanitize(snapshot.name),
        "namespace": sanitize(snapshot.namespace),
        "state": snapshot.state.value,
        "created": snapshot.created,
        "finished": snapshot.finished,
        "nodes": snapshot.nodes,
        "runtime": sanitize(snapshot.runtime),
        "progress": snapshot.progress,
        "eta": None if snapshot.eta is None else round(snapshot.eta),
        "reason": sanitize(snapshot.reason if failure is None else failure.headline)[:MAX_LINE],
        "metric": None if last is None else [sanitize(last[0]), number_json(last[1])],
        "checkpoint": _checkpoint_name(snapshot) or (None if followed else ""),
    }


def _checkpoint_name(snapshot: Snapshot) -> str | None:
    return None if snapshot.checkpoint is None else sanitize(snapshot.checkpoint.name)[:MAX_LINE]


def nodes_json(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the nodes with their resource usage and ranks."""
    return [_node_json(node) for node in snapshot.pods]


def number_json(value: float) -> float | str:
    """Return a metric's value as JSON.

    >>> number_json(float("inf"))
    'inf'
    """
    return value if math.isfinite(value) else str(value)


def _node_json(node: Node) -> dict[str, Any]:
    return {
        "index": node.index,
        "pod": sanitize(node.pod),
        "host": sanitize(node.host),
        "state": node.state,
        "reason": sanitize(node.reason)[:MAX_LINE],
        "restarts": node.restarts,
        "exit_code": node.exit_code,
        "usage": None if node.usage is None else _usage_json(node.usage),
        "ranks": [_rank_json(rank) for rank in node.ranks],
    }


def _usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "time": usage.time,
        "cpu": usage.cpu,
        "cpu_limit": usage.cpu_limit,
        "memory": usage.memory,
        "memory_limit": usage.memory_limit,
        "gpus": [
            {"name": sanitize(gpu.name), "busy": gpu.busy, "memory": gpu.memory, "memory_total": gpu.memory_total}
            for gpu in usage.gpus
        ],
    }


def _rank_json(rank: Rank) -> dict[str, Any]:
    return {"rank": rank.rank, "step": rank.step, "step_time": rank.step_time, "slow": rank.slow}


def _failure_json(failure: Failure) -> dict[str, Any]:
    return {
        "headline": sanitize(failure.headline)[:MAX_LINE],
        "rank": failure.rank,
        "where": sanitize(failure.where)[:MAX_LINE],
        "source": sanitize(failure.source)[:MAX_LINE],
        "traceback": sanitize(failure.traceback)[-MAX_TRACEBACK:],
        "remedy": sanitize(failure.remedy)[:MAX_LINE],
        "first": sanitize(failure.first)[:MAX_LINE],
    }
