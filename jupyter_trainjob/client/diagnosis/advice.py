"""Warn about likely mistakes in a training program, from the ranks' reports. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jupyter_trainjob.metrics.latest_values import LatestValue
from jupyter_trainjob.metrics.telemetry import Telemetry

MAX_METRICS = 4
"""Limit for the number of metrics in warnings."""


def training_warnings(record: Telemetry, latest: Mapping[str, LatestValue], *, ranks: int) -> Iterator[str]:
    """Yield one sentence per warning for a job with `ranks` ranks; metrics in the order of their first report."""
    if ranks > 1 and record.solo():
        yield (
            f"No process group: each of the {ranks} ranks trains its own copy. Call "
            "torch.distributed.init_process_group() and wrap the model in DistributedDataParallel to train one model."
        )
    diverged = [_divergence_warning(name, value) for name, value in latest.items() if _has_diverged(name, value)]
    yield from diverged[:MAX_METRICS]
    yield from _unsent_warnings(record.unsent())


def _unsent_warnings(unsent: Mapping[int, list[str]]) -> Iterator[str]:
    """Yield what the lowest rank could not return; the others usually have the same."""
    if not unsent:
        return
    first, others = min(unsent), len(unsent) - 1
    who = f"Rank {first}: " if first else ""
    more = f" The same on {others} more rank{'s' if others > 1 else ''}." if first and others else ""
    yield from (f"{who}{sentence}{more}" for sentence in unsent[first])


def _has_diverged(name: str, latest: LatestValue) -> bool:
    """Whether a metric has become NaN or infinite; one that never was finite counts only if it is a loss."""
    return bool(latest.broken) and (not latest.always or "loss" in name.lower())


def _divergence_warning(name: str, latest: LatestValue) -> str:
    state = "NaN" if latest.nan else "infinite"
    where = ""
    if len(latest.broken) < latest.ranks:
        several = f"{len(latest.broken)} of {latest.ranks} ranks"
        where = f" on rank {latest.broken[0]}" if len(latest.broken) == 1 else f" on {several}"
    since = "" if latest.since is None else f" since step {latest.since:,.0f}"
    return f"{name} is {state}{where}{since}."
