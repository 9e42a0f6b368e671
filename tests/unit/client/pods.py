"""TrainJobs and pods as the API shows them at moments of their life."""

from __future__ import annotations

from typing import Any

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.constants import JOB_COMPLETION_INDEX, JOBSET_RESTART_ATTEMPT, PATCH_MANAGER

T0 = 1_767_225_600.0
"""2026-01-01T00:00:00Z."""


def trainjob(*, created: float = 0, ours: bool = True, **conditions: tuple[str, float]) -> KubeObject:
    """Return a TrainJob; `conditions` are (status, seconds after T0) by type."""
    return {
        "metadata": {"name": "a-b", "uid": "u-1", "namespace": "default", "creationTimestamp": timestamp(T0 + created)},
        "spec": {"runtimePatches": [{"manager": PATCH_MANAGER}] if ours else []},
        "status": {
            "conditions": [
                {"type": kind, "status": status, "lastTransitionTime": timestamp(T0 + at)}
                for kind, (status, at) in conditions.items()
            ]
        },
    }


def pod(
    index: int,
    *,
    created: float = 0,
    placed: float | None = None,
    running: float | None = None,
    phase: str = "",
    code: int | None = None,
    restarts: int = 0,
    attempt: int = 0,
    waiting: tuple[str, str] | None = None,
    limits: dict[str, str] | None = None,
    **terminated: Any,
) -> KubeObject:
    """Return a pod that has come this far; times are seconds after T0."""
    state: KubeObject = {}
    if waiting is not None:
        state = {"waiting": {"reason": waiting[0], "message": waiting[1]}}
    if running is not None:
        state = {"running": {"startedAt": timestamp(T0 + running)}}
    if code is not None:
        state = {"terminated": {"exitCode": code, "startedAt": timestamp(T0 + (running or 0)), **terminated}}
    conditions: list[KubeObject] = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]
    if placed is not None:
        conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp(T0 + placed)}]
    guess = "Pending" if running is None else "Running" if code is None else "Failed" if code else "Succeeded"
    return {
        "metadata": {
            "name": f"a-b-node-0-{index}",
            "uid": f"p-{index}-{attempt}",
            "labels": {JOB_COMPLETION_INDEX: str(index), JOBSET_RESTART_ATTEMPT: str(attempt)},
            "creationTimestamp": timestamp(T0 + created),
        },
        "spec": {
            **({"nodeName": "this-computer"} if placed is not None else {}),
            "containers": [{"name": "node", "resources": {"limits": limits or {}}}],
        },
        "status": {
            "phase": phase or guess,
            "conditions": conditions,
            "containerStatuses": [{"name": "node", "state": state, "restartCount": restarts}],
        },
    }
