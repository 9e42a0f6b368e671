"""The reported metrics of a job as JSON."""

from __future__ import annotations

import math
from typing import Any

from jupyter_trainjob.server import cluster_routes


def read_metrics(context: str | None, namespace: str, name: str) -> dict[str, Any]:
    """Return `TrainJob.metrics` of a job, with null for NaN and infinities. Raises `errors.NotFound`."""
    metrics = cluster_routes.find_job(context, namespace, name).metrics()
    numbers = {key: [value if math.isfinite(value) else None for value in column] for key, column in metrics.items()}
    return {"metrics": numbers}
