"""The form of a new job, from fresh to sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_trainjob.server import cluster_routes, job_form
from tests.ui.scenes import places
from tests.ui.scenes.recorded import Scene

PROD = {
    "name": places.REMOTE,
    "place": places.REMOTE,
    "embedded": False,
    "running": None,
    "namespace": "research",
    "chosen": False,
}
FREE = "Free now on 1 node: 0.4 of 8 CPUs, 18.9 of 24 GiB."
TRAIN = "data, seed = [], 1\ndef train(data, epochs=3, *, seed):\n    return data"


def scenes() -> dict[str, Scene]:
    """Return the form's scenes by name."""
    with places.cluster():
        runtimes = places.runtimes()
        plain = places.line({"name": "job", "nodes": "1"})
        eight = {"name": "digits", "nodes": "8", "out": "weights"}
        wrong = {"name": "Digits!", "nodes": "0", "memory": "lots", "gpus": "two"}
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
                places.line({"name": "job", "nodes": "1", "runtime": "plain", "gpus": "2"}),
                choice={"runtime": "plain", "gpus": "2"},
            ),
            "form-sent": of(
                runtimes,
                sent,
                choice={"name": "digits", "nodes": "8", "out": "weights"},
                sent=True,
            ),
            "form-blank": of(runtimes, plain, target="fit", cells=["def fit(steps, rate=0.1):\n    return steps"]),
            "form-real": of(runtimes, sent, destination=PROD, elsewhere="this computer / default"),
            "form-confirm": of(runtimes, sent, destination=PROD, is_confirming=True),
            "form-away": of(
                None, {"error": "The Jupyter server does not answer. Check that it is running, and try again."}, free=""
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
    destination: Mapping[str, Any] | None = None,
    elsewhere: str = "",
    sent: bool = False,
    is_confirming: bool = False,
) -> Scene:
    """Return the form with its data and values."""
    here = cluster_routes.list_clusters()["clusters"]
    chosen = destination or here[0]
    state = {
        "destination": {
            "cluster": chosen,
            "namespace": chosen["namespace"],
            "clusters": here,
            "namespaces": [chosen["namespace"], "team"],
            "elsewhere": elsewhere,
            "trouble": "",
        },
        "isSent": sent,
        "isConfirming": is_confirming,
        "fields": job_form.form_fields(),
        "choice": choice or {},
        "runtimes": runtimes,
        "free": free,
        "cells": cells,
        "target": target,
        "message": "",
        "draft": draft,
    }
    return Scene(state=state, messages=[], kind="form")
