"""The form of a new job, from fresh to sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.ui.scenes import places
from tests.ui.scenes.recorded import Scene

FREE = "Free now on 1 node: 0.4 of 8 CPUs, 18.9 of 24 GiB."
TRAIN = "def train(data, epochs=3, *, seed):\n    return data"


def scenes() -> dict[str, Scene]:
    """Return the form's looks by name."""
    with places.cluster():
        runtimes = places.runtimes()
        plain = places.line({"name": "job", "nodes": 1})
        eight = {"name": "digits", "nodes": 8, "out": ["weights"]}
        wrong = {"name": "Digits!", "nodes": 0, "memory": "lots", "gpus": "two"}
        sent = places.line(eight)
        return {
            "form": of(runtimes, plain),
            "form-problems": of(
                runtimes,
                places.line(wrong),
                choice={"name": "Digits!", "nodes": "0", "memory": "lots", "gpus": "two"},
                cells=["%%bash\nls"],
            ),
            "form-function": of(
                runtimes, sent, choice={"name": "digits", "nodes": "8", "out": "weights"}, target="train"
            ),
            "form-no-notebook": of(runtimes, plain, cells=None),
            "form-runtime": of(
                runtimes,
                places.line({"name": "job", "nodes": 1, "runtime": "plain", "gpus": 2}),
                choice={"runtime": "plain", "gpus": "2"},
            ),
            "form-sent": of(
                runtimes,
                sent,
                choice={"name": "digits", "nodes": "8", "out": "weights"},
                said="Sent: its card is below the cell.",
            ),
            "form-away": of(
                None, {"error": "The Jupyter server does not answer. Look whether it runs, and try again."}, free=""
            ),
        }


def of(
    runtimes: list[dict[str, Any]] | None,
    draft: Mapping[str, Any],
    *,
    choice: Mapping[str, str] | None = None,
    cells: list[str] | None = [TRAIN, "train(data, seed=1)"],  # noqa: B006 - never changed
    target: str = "cell",
    free: str = FREE,
    said: str = "",
) -> Scene:
    """Return the form with what it knows and holds."""
    state = {
        "choice": choice or {},
        "runtimes": runtimes,
        "free": free,
        "cells": cells,
        "target": target,
        "said": said,
        "draft": draft,
    }
    return Scene(state=state, messages=[], kind="form")
