"""Estimate the progress of a job: the current step, the remaining time, the finished share. Pure."""

from __future__ import annotations

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.diagnosis.failure import exit_code
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.telemetry import Telemetry

MAX_ETA = 1000 * 365 * 86_400.0
"""Longest remaining time in seconds that is returned; a tiny step increment would make it endless."""
PACE_WINDOW = 30.0
"""Seconds of recent reports from which the remaining time is estimated."""


def estimate_progress(record: Telemetry, *, running: bool) -> tuple[int | None, int | None, float | None]:
    """Return the last step, the total and the seconds left of the lowest reporting rank; None where unknown."""
    rank = record.leader()
    if rank is None:
        return None, None, None
    total = record.total(rank)
    recent = record.recent(rank, PACE_WINDOW)
    if not recent:
        return None, total, None
    (first_time, first_step), (last_time, last_step) = recent[0], recent[-1]
    elapsed, steps = last_time - first_time, last_step - first_step
    if not running or not total or elapsed <= 0 or steps <= 0:
        return int(last_step), total, None
    eta = max(0.0, (total - last_step) * elapsed / steps)
    return int(last_step), total, eta if eta <= MAX_ETA else None


def finished_share(pods: list[KubeObject], record: Telemetry, *, nodes: int, processes: int) -> float | None:
    """Return the finished share of all ranks, 0..1, if some but not all nodes have succeeded; else None.

    A succeeded node counts as 1, one that has not started as 0, and a rank that reports by its share of its total.
    """
    done = {node_index(pod) for pod in pods if exit_code(pod) == 0}
    if not done or len(done) >= nodes:
        return None
    running = {node_index(pod) for pod in pods if (pod.get("status") or {}).get("phase") == "Running"} - done
    ranks = [rank for node in running for rank in range(node * processes, (node + 1) * processes)]
    return (len(done) * processes + sum(_rank_share(record, rank) for rank in ranks)) / (nodes * processes)


def _rank_share(record: Telemetry, rank: int) -> float:
    if rank not in record.ranks:
        return 0.0
    step, total = record.step(rank), record.total(rank)
    return min(1.0, max(0.0, step / total)) if step is not None and total else 0.0
