"""How many devices and processors a node of a job asks for, and what a TrainJob's wish adds to its runtime's.

Used by `info` (merge) and by plugins that start one process per device.
"""

from __future__ import annotations

import math
from typing import Any

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.framework.unsupported import BuildError

KINDS = ("requests", "limits")


def merge(runtime: Object, wanted: Object) -> Object:
    """Lay ``resourcesPerNode`` over a container's resources, key by key; whatever else stands there stays."""
    merged = {**runtime, **{field: value for field, value in wanted.items() if field not in KINDS}}
    for kind in KINDS:
        amounts = {**(runtime.get(kind) or {}), **(wanted.get(kind) or {})}
        if amounts:
            merged[kind] = amounts
    return merged


def gpus(resources: Object) -> int:
    """Return the number of devices whose resource name contains ``gpu``; the first such name decides."""
    for kind in KINDS:
        for name, amount in sorted((resources.get(kind) or {}).items()):
            if "gpu" in name.lower() and (count := _whole(amount)):
                return count
    return 0


def cpus(resources: Object) -> int:
    """Return the number of processors, rounded up; requests come before limits."""
    for kind in KINDS:
        if count := _whole((resources.get(kind) or {}).get("cpu", 0)):
            return count
    return 0


def _whole(amount: Any) -> int:
    try:
        return math.ceil(quantity.parse(amount))
    except ValueError as error:
        raise BuildError(f"resources of the trainer: {error}") from error
