"""Lists of jobs."""

from __future__ import annotations

from typing import Any

from tests.ui.scenes.recorded import NOW, Scene
from tests.ui.scenes.states import HOSTILE


def row(name: str, state: str, **more: Any) -> dict[str, Any]:
    """Return a row as the kernel sends it."""
    return {
        "uid": f"uid-{name}",
        "name": name,
        "namespace": "default",
        "state": state,
        "created": NOW - 151,
        "finished": None,
        "nodes": 8,
        "runtime": "torch-distributed",
        "progress": None,
        "eta": None,
        "reason": "",
        "metric": None,
        "checkpoint": "step-400.pt",
        **more,
    }


def scenes() -> dict[str, Scene]:
    """Return lists by name."""
    rows = [
        row("digits-x7k2p", "Running", progress=0.72, eta=41, metric=["loss", 0.184]),
        row("sweep-lr-3e4-a81mm", "Starting"),
        row("llama-lora-9fj2c", "Queued", nodes=2, reason="needs 2 GPUs, this computer has none"),
        row("nightly-0kq3z", "Stopped", reason="stopped by jupyter-trainjob", progress=0.31),
        row("digits-m3q8d", "Failed", finished=NOW - 720, reason="ValueError on rank 3"),
        row("baseline-k2v7s", "Complete", created=NOW - 3751, finished=NOW - 3600, metric=["accuracy", 0.957]),
    ]
    many = [row(f"trial-{i:03d}-{i * 7919 % 99991:05d}", "Complete", finished=NOW - 60 * i) for i in range(300)]

    def of(jobs: list[dict[str, Any]]) -> Scene:
        return Scene(state={}, messages=[({"kind": "jobs", "reset": True, "jobs": jobs, "gone": []}, [])], kind="panel")

    return {
        "panel": of(rows),
        "panel-empty": of([]),
        "panel-many": of(rows + many),
        "panel-hostile": of([row(HOSTILE, "Failed", finished=NOW, reason=HOSTILE, metric=[HOSTILE, "nan"])]),
    }
