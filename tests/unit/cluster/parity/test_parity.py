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

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster import job
from jupyter_trainjob.cluster.controllers import garbage_collector
from jupyter_trainjob.cluster.shared_informers import SharedInformers
from jupyter_trainjob.controller import manager
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from tests.unit.cluster.world import Start, World
from tests.waiting import patience

from .record import RECORDED
from .scenarios import OF_JOBS, OF_JOBSETS
from .stage import Stage, parts

KNOWN: KubeObject = json.loads(RECORDED.read_text())


@pytest.fixture
def stage(world: World, start: Start) -> Stage:
    """A stage with the embedded reconcilers."""
    start(job.controller)
    start(garbage_collector.controller)
    start(_jobsets)
    return Stage(world.client, "default")


@pytest.mark.parametrize("scenario", [*OF_JOBS, *OF_JOBSETS], ids=lambda scenario: scenario["name"])
def test_states_and_events_equal_those_of_a_real_cluster(stage: Stage, scenario: KubeObject) -> None:
    wanted = KNOWN[scenario["name"]]
    for number, step in parts(scenario):
        if step is None:
            stage.begin(scenario["objects"])
        else:
            stage.do(step)
        description = "at the beginning" if step is None else f"after step {number}: {step}"
        settled(lambda: unordered(stage.see()), unordered(wanted["seen"][number]), description)
        if number == 0 and scenario["marks"]:
            settled(stage.marks, wanted["marks"], "marks")
    settled(stage.events, wanted["events"], "in events")


def settled(see: Callable[[], Any], wanted: Any, description: str) -> None:
    """Wait until the state is the wanted one; fail with the difference after a timeout."""
    deadline = time.monotonic() + patience(60)
    while (actual := see()) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert actual == wanted, f"{description}: {difference(actual, wanted)}"


def difference(actual: Any, wanted: Any, path: str = "") -> str:
    """Return where two trees differ."""
    if isinstance(actual, dict) and isinstance(wanted, dict):
        names = sorted({*actual, *wanted})
        return "".join(difference(actual.get(name), wanted.get(name), f"{path}.{name}") for name in names)
    return "" if actual == wanted else f"\n{path}: {actual}, but on a real cluster {wanted}"


def unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: sorted(inner, key=lambda one: str(one["type"])) if name == "conditions" else unordered(inner)
            for name, inner in value.items()
        }
    return value


def _jobsets(client: Client, informers: SharedInformers) -> Controller:
    _, jobsets = manager.build_controllers(client)
    return jobsets
