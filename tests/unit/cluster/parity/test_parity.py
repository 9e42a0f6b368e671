"""Our Job and JobSet controllers do step by step what those of a real cluster did.

``recorded.json`` holds what was seen on a real cluster, see `record`; each step must come to the same here. One thing
is left out on purpose: the order of conditions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster import garbage, job
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.controller import manager
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from tests.unit.cluster.world import Start, World

from .record import RECORDED
from .scenarios import OF_JOBS, OF_JOBSETS
from .stage import Stage, parts

KNOWN: Object = json.loads(RECORDED.read_text())
PATIENCE = 8.0


@pytest.fixture
def stage(world: World, start: Start) -> Stage:
    """A stage with the embedded reconcilers."""
    start(job.controller)
    start(garbage.controller)
    start(_jobsets)
    return Stage(world.client, "default")


@pytest.mark.parametrize("scenario", [*OF_JOBS, *OF_JOBSETS], ids=lambda scenario: scenario["name"])
def test_what_happens_is_what_a_real_cluster_did(stage: Stage, scenario: Object) -> None:
    wanted = KNOWN[scenario["name"]]
    for number, step in parts(scenario):
        if step is None:
            stage.begin(scenario["objects"])
        else:
            stage.do(step)
        what = "at the beginning" if step is None else f"after step {number}: {step}"
        settled(lambda: unordered(stage.see()), unordered(wanted["seen"][number]), what)
        if number == 0 and scenario["marks"]:
            settled(stage.marks, wanted["marks"], "marks")
    settled(stage.events, wanted["events"], "in events")


def settled(see: Callable[[], Any], wanted: Any, what: str) -> None:
    """Wait until that is seen which is wanted; tell the difference if it does not come."""
    deadline = time.monotonic() + PATIENCE
    while (seen := see()) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert seen == wanted, f"{what}: {difference(seen, wanted)}"


def difference(seen: Any, wanted: Any, path: str = "") -> str:
    """Return where two trees differ."""
    if isinstance(seen, dict) and isinstance(wanted, dict):
        names = sorted({*seen, *wanted})
        return "".join(difference(seen.get(name), wanted.get(name), f"{path}.{name}") for name in names)
    return "" if seen == wanted else f"\n{path}: {seen}, but on a real cluster {wanted}"


def unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: sorted(inner, key=lambda one: str(one["type"])) if name == "conditions" else unordered(inner)
            for name, inner in value.items()
        }
    return value


def _jobsets(client: Client, informers: Informers) -> Controller:
    _, jobsets = manager.controllers(client)
    return jobsets
