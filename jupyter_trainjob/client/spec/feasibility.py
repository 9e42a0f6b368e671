"""Find the field of a TrainJob that keeps it from ever running, which API servers accept.

Decided from the TrainJob alone, since its pods are never created, and no event has the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.container_resources import KINDS
from jupyter_trainjob.api.resources import KubeObject

LEAST = {"numNodes": 1, "numProcPerNode": 1}
"""Of the whole numbers in ``spec.trainer``."""


def infeasible_reason(trainjob: KubeObject) -> str:
    """Return which field of a TrainJob keeps it from ever running, and its valid values; empty if none does."""
    return next(_problems(trainjob["spec"].get("trainer") or {}), "")


def check_feasible(trainjob: KubeObject) -> None:
    """Raise `errors.UsageError` for a TrainJob that could never run."""
    problem = infeasible_reason(trainjob)
    if problem:
        raise errors.UsageError(f"{trainjob['metadata']['name']} could never run: {problem}. Nothing was sent.")


def _problems(trainer: KubeObject) -> Iterator[str]:
    for field, least in LEAST.items():
        value = trainer.get(field)
        if isinstance(value, int) and value < least:
            yield f"spec.trainer.{field} is {value}; it must be at least {least}"
    resources = trainer.get("resourcesPerNode") or {}
    for kind in KINDS:
        for name, value in (resources.get(kind) or {}).items():
            amount = _amount(value)
            if amount is not None and amount < 0:
                yield f"spec.trainer.resourcesPerNode.{kind}.{name} is {value}; it must be at least 0"
    limits = resources.get("limits") or {}
    for name, value in (resources.get("requests") or {}).items():
        amount, limit = _amount(value), _amount(limits.get(name))
        if amount is not None and limit is not None and amount > limit:
            yield (
                f"spec.trainer.resourcesPerNode.requests.{name} is {value}; "
                f"it must be at most its limit, {limits[name]}"
            )


def _amount(value: Any) -> Any:
    try:
        return quantity.parse_quantity(str(value)) if value is not None else None
    except ValueError:
        return None
