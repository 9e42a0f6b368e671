"""What a job has reported, as JSON takes it."""

from __future__ import annotations

import math
from typing import Any

from jupyter_trainjob.api.resources import TRAINJOBS
from jupyter_trainjob.client.context import connect
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.server.clusters import watched


def columns(context: str | None, namespace: str, name: str) -> dict[str, Any]:
    """Return `TrainJob.metrics` of one job; null stands for what is no number. Raises `errors.NotFound`."""
    # Asked as those ask who only watch: a stopped embedded cluster stays stopped.
    trainjob = watched(context).client.get(TRAINJOBS, name, namespace=namespace)
    found = TrainJob(connect(context), trainjob).metrics()
    numbers = {key: [each if math.isfinite(each) else None for each in column] for key, column in found.items()}
    return {"metrics": numbers}
