"""A captured value on its way into a job and home again: 1 KB, 10 MB and 1 GB, against plain cloudpickle.

Plain cloudpickle is what anybody would do by hand: ``dumps`` here and ``loads`` there, with the bytes in memory and
nothing written, hashed or signed in between, all in one process. What a job with a single number takes is taken off.
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
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.client.submit import prepare_cell, send

SIZES = {"1 KB": 1_000, "10 MB": 10_000_000, "1 GB": 1_000_000_000}
_CELL = """
import time
begun = time.time()
{use}
(begun, time.time(), {back})
"""


class Times(NamedTuple):
    """Seconds of one job."""

    capture: float
    """Until the bundle is packed."""
    arrival: float
    """From then until the first line of the cell runs."""
    back: float
    """From the last line until the notebook has the result."""


def rows(repeat: int = 5) -> list[Row]:
    """Measure in seconds."""
    found = []
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
                usual = statistics.median(part(each) for each in bare)
                return [max(1e-5, part(each) - usual) for each in jobs]

            capture = [each.capture for each in one_way]
            ship = beyond(lambda each: each.capture + each.arrival, one_way)
            found += [
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
                    beyond(lambda each: each.back, home),
                    "s",
                    "–",
                    "dumps+loads",
                    both,
                ),
            ]
    return found


def _plainly(data: np.ndarray) -> tuple[float, float]:
    begun = time.perf_counter()
    packed = cloudpickle.dumps(data)
    between = time.perf_counter()
    cloudpickle.loads(packed)
    return between - begun, time.perf_counter() - between


def _job(use: str, back: str, variables: dict[str, np.ndarray]) -> Times:
    start = time.time()
    cell = _CELL.format(use=use, back=back)
    options = Options(runtime="plain")
    prepared = prepare_cell(cell, dict(variables), filename="Cell [1]", options=options)
    packed = time.time()
    job = send(prepared)
    begun, ended, _ = job.result(timeout=300)
    home = time.time()
    job.delete()
    return Times(packed - start, begun - packed, home - ended)
