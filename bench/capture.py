"""Time from a captured value to its result, for 1 KB, 10 MB and 1 GB, compared with plain cloudpickle.

The peer is ``dumps`` and ``loads`` in one process, with the bytes in memory, and without files, hashes and signatures.
The time of a job that captures a single number is subtracted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import cloudpickle
import numpy as np

from bench.jobs import cluster
from bench.table import Row
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send

SIZES = {"1 KB": 1_000, "10 MB": 10_000_000, "1 GB": 1_000_000_000}
_CELL = """
import time
begun = time.time()
{use}
(begun, time.time(), {back})
"""


class Times(NamedTuple):
    """Times of one job in seconds."""

    capture: float
    """Until the bundle is packed."""
    arrival: float
    """From then until the first line of the cell runs."""
    back: float
    """From the last line until the notebook has the result."""


def rows(repeat: int = 5) -> list[Row]:
    """Measure the times in seconds."""
    table_rows = []
    with cluster():
        number = {"data": np.zeros(1)}
        _job("data", "None", number)
        for name, size in SIZES.items():
            times = max(2, repeat // 2) if size > 10**8 else repeat
            data = np.random.default_rng(0).integers(0, 255, size, "u1")
            dumps, loads = zip(*(_plainly(data) for _ in range(times)), strict=True)
            both = [a + b for a, b in zip(dumps, loads, strict=True)]
            bare = [_job("data", "None", number) for _ in range(times)]
            one_way = [_job("data", "None", {"data": data}) for _ in range(times)]
            home = [_job("data", "data", {"data": data}) for _ in range(times)]

            def beyond(part: Callable[[Times], float], jobs: list[Times], bare: list[Times] = bare) -> list[float]:
                usual = statistics.median(part(job) for job in bare)
                return [max(1e-5, part(job) - usual) for job in jobs]

            capture = [times.capture for times in one_way]
            ship = beyond(lambda times: times.capture + times.arrival, one_way)
            table_rows += [
                Row(f"{name}: captured and packed", capture, "s", "–", "dumps", dumps),
                Row(
                    f"{name}: captured, shipped and loaded, beyond a job with a number",
                    ship,
                    "s",
                    "–",
                    "dumps+loads",
                    both,
                ),
                Row(
                    f"{name}: home as a result, beyond None",
                    beyond(lambda times: times.back, home),
                    "s",
                    "–",
                    "dumps+loads",
                    both,
                ),
            ]
    return table_rows


def _plainly(data: np.ndarray) -> tuple[float, float]:
    started_at = time.perf_counter()
    packed = cloudpickle.dumps(data)
    between = time.perf_counter()
    cloudpickle.loads(packed)
    return between - started_at, time.perf_counter() - between


def _job(use: str, back: str, variables: dict[str, np.ndarray]) -> Times:
    start = time.time()
    cell = _CELL.format(use=use, back=back)
    options = job_options(runtime="plain")
    prepared = prepare_cell(cell, dict(variables), filename="Cell [1]", options=options)
    packed = time.time()
    job = send(prepared)
    started_at, ended, _ = job.result(timeout=300)
    home = time.time()
    job.delete()
    return Times(packed - start, started_at - packed, home - ended)
