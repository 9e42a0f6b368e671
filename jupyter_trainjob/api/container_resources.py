"""Count a node's devices and processors, and merge ``resourcesPerNode`` into its runtime's resources.

Used by `info` (merge) and by plugins that start one process per device.
"""

from __future__ import annotations

import math
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import KubeObject


class InvalidResources(errors.TrainJobError):
    """An amount in a container's resources is not a Kubernetes quantity."""


KINDS = ("requests", "limits")


def merge_resources(runtime: KubeObject, wanted: KubeObject) -> KubeObject:
    """Merge ``resourcesPerNode`` into a container's resources, key by key; other fields stay."""
    merged = {**runtime, **{field: value for field, value in wanted.items() if field not in KINDS}}
    for kind in KINDS:
        amounts = {**(runtime.get(kind) or {}), **(wanted.get(kind) or {})}
        if amounts:
            merged[kind] = amounts
    return merged


def gpu_count(resources: KubeObject) -> int:
    """Return the number of devices whose resource name contains ``gpu``; the first such name with a count is used.

    >>> gpu_count({"limits": {"nvidia.com/gpu": "2", "cpu": "8"}})
    2
    """
    for kind in KINDS:
        for name, amount in sorted((resources.get(kind) or {}).items()):
            if "gpu" in name.lower() and (count := _round_up(amount)):
                return count
    return 0


def cpu_count(resources: KubeObject) -> int:
    """Return the number of CPUs, rounded up; requests take precedence over limits.

    >>> cpu_count({"limits": {"cpu": "1500m"}})
    2
    """
    for kind in KINDS:
        if count := _round_up((resources.get(kind) or {}).get("cpu", 0)):
            return count
    return 0


def _round_up(amount: Any) -> int:
    try:
        return math.ceil(quantity.parse_quantity(amount))
    except ValueError as error:
        raise InvalidResources(f"resources of the trainer: {error}") from error
