"""A `Snapshot` as JSON values for the front end: the head, which is bounded, and the nodes.

Every string comes from a cluster or a pod, and is cleaned and cut here. Not every number travels in JSON: NaN and the
infinities of metrics go as their names. The shapes are the types in ``labextension/src/core/types.ts``.
"""

from __future__ import annotations

import math
from typing import Any

from jupyter_trainjob.client.snapshot import Failure, Node, Rank, Snapshot, Usage
from jupyter_trainjob.widget.curves import MAX_METRICS
from jupyter_trainjob.widget.text import clean, place

MAX_LINE = 2_000
MAX_TRACEBACK = 20_000


def state_of(snapshot: Snapshot) -> dict[str, Any]:
    """Return the head: the snapshot without what grows."""
    return {
        "uid": snapshot.uid,
        "name": clean(snapshot.name),
        "namespace": clean(snapshot.namespace),
        "place": place(clean(snapshot.context)),
        "state": snapshot.state.value,
        "runtime": clean(snapshot.runtime),
        "nodes": snapshot.nodes,
        "procs_per_node": snapshot.procs_per_node,
        "reason": clean(snapshot.reason)[:MAX_LINE],
        "phases": [
            {"name": clean(phase.name), "started": phase.started, "ended": phase.ended} for phase in snapshot.phases
        ],
        "created": snapshot.created,
        "finished": snapshot.finished,
        "step": snapshot.step,
        "total": snapshot.total,
        "eta": None if snapshot.eta is None else round(snapshot.eta),
        "progress": snapshot.progress,
        "metrics": [[clean(name), number(last)] for name, last in list(snapshot.metrics.items())[:MAX_METRICS]],
        "ranks_running": snapshot.ranks_running,
        "checkpoint": None if snapshot.checkpoint is None else clean(snapshot.checkpoint.name)[:MAX_LINE],
        "failure": None if snapshot.failure is None else _failure(snapshot.failure),
    }


def row_of(snapshot: Snapshot) -> dict[str, Any]:
    """Return the job as a row of a list."""
    last = next(iter(snapshot.metrics.items()), None)
    failure = snapshot.failure
    return {
        "uid": snapshot.uid,
        "name": clean(snapshot.name),
        "namespace": clean(snapshot.namespace),
        "state": snapshot.state.value,
        "created": snapshot.created,
        "finished": snapshot.finished,
        "nodes": snapshot.nodes,
        "runtime": clean(snapshot.runtime),
        "progress": snapshot.progress,
        "eta": None if snapshot.eta is None else round(snapshot.eta),
        "reason": clean(snapshot.reason if failure is None else failure.headline)[:MAX_LINE],
        "metric": None if last is None else [clean(last[0]), number(last[1])],
    }


def nodes_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return what is known of each node."""
    return [_node(node) for node in snapshot.pods]


def number(value: float) -> float | str:
    """Return a metric's value as it travels."""
    return value if math.isfinite(value) else str(value)


def _node(node: Node) -> dict[str, Any]:
    return {
        "index": node.index,
        "pod": clean(node.pod),
        "host": clean(node.host),
        "state": node.state,
        "reason": clean(node.reason)[:MAX_LINE],
        "restarts": node.restarts,
        "exit_code": node.exit_code,
        "usage": None if node.usage is None else _usage(node.usage),
        "ranks": [_rank(rank) for rank in node.ranks],
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "time": usage.time,
        "cpu": usage.cpu,
        "cpu_limit": usage.cpu_limit,
        "memory": usage.memory,
        "memory_limit": usage.memory_limit,
        "gpus": [
            {"name": clean(gpu.name), "busy": gpu.busy, "memory": gpu.memory, "memory_total": gpu.memory_total}
            for gpu in usage.gpus
        ],
    }


def _rank(rank: Rank) -> dict[str, Any]:
    return {"rank": rank.rank, "step": rank.step, "step_time": rank.step_time, "slow": rank.slow}


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "headline": clean(failure.headline)[:MAX_LINE],
        "rank": failure.rank,
        "where": clean(failure.where)[:MAX_LINE],
        "source": clean(failure.source)[:MAX_LINE],
        "traceback": clean(failure.traceback)[-MAX_TRACEBACK:],
        "remedy": clean(failure.remedy)[:MAX_LINE],
        "first": clean(failure.first)[:MAX_LINE],
    }
