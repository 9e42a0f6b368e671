"""What a job has reported, as JSON takes it."""

from __future__ import annotations

import math
from typing import Any

from jupyter_trainjob.server import clusters


def columns(context: str | None, namespace: str, name: str) -> dict[str, Any]:
    """Return `TrainJob.metrics` of one job; null stands for what is no number. Raises `errors.NotFound`."""
    found = clusters.job(context, namespace, name).metrics()
    numbers = {key: [each if math.isfinite(each) else None for each in column] for key, column in found.items()}
    return {"metrics": numbers}
