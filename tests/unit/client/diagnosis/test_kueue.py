"""Explanations of jobs that Kueue holds, from Workloads as Kueue 0.19 writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.diagnosis import kueue
from jupyter_trainjob.client.diagnosis.kueue import Hold, explain_hold
from jupyter_trainjob.client.export import exports
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.client.state.derive import derive_snapshot
from jupyter_trainjob.constants import (
    KUEUE_GROUP,
    KUEUE_JOB_UID_LABEL,
    KUEUE_PATCH_MANAGER,
    KUEUE_QUEUE_LABEL,
    KUEUE_VISIBILITY_GROUP,
    PATCH_MANAGER,
)
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response
from jupyter_trainjob.metrics.telemetry import Telemetry
from tests.unit.client.state import test_derive

NO_QUOTA = "insufficient unused quota for nvidia.com/gpu in flavor gpu, 16 more needed"
TOO_MUCH = "insufficient quota for nvidia.com/gpu in flavor gpu, current podset request (64) > maximum capacity (32)"
PREEMPTED = (
    "Preempted to accommodate a workload (UID: u, JobUID: j) due to prioritization in the ClusterQueue; "
    "preemptor path: /all; preemptee path: /all"
)


def trainjob(*, suspend: bool = True, stopped: bool = False, queue: str = "team") -> KubeObject:
    """Return a TrainJob of this package after Kueue's webhook."""
    job = test_derive.trainjob(suspend=suspend, stopped=stopped)
    if queue:
        job["metadata"]["labels"] = {KUEUE_QUEUE_LABEL: queue}
    patches = [PATCH_MANAGER, KUEUE_PATCH_MANAGER]
    job["spec"]["runtimePatches"] = [{"manager": manager} for manager in patches]
    return job


def condition(kind: str, status: bool, reason: str = "", message: str = "") -> KubeObject:
    return {"type": kind, "status": str(status), "reason": reason, "message": message}


def workload(*conditions: KubeObject, active: bool | None = None, checks: tuple[KubeObject, ...] = ()) -> KubeObject:
    spec: KubeObject = {"queueName": "team"} if active is None else {"queueName": "team", "active": active}
    status: KubeObject = {"conditions": list(conditions)}
    if checks:
        status["admissionChecks"] = list(checks)
    return {"metadata": {"name": "trainjob-a-b-12345"}, "spec": spec, "status": status}


PENDING = condition("QuotaReserved", False, "Pending", NO_QUOTA)
RESERVED = condition("QuotaReserved", True, "QuotaReserved", "Quota reserved in ClusterQueue all")
EVICTED = condition("Evicted", True, "Preempted", PREEMPTED)
LESS = "Ask for less with --nodes, --cpus, --memory or --gpus."
ROOM = "it was preempted, since a more important job of the same queue needed its quota, and continues automatically"
STUCK = (
    "If that lasts, send it again with rerun(): an empty field in a TrainJob, such as env: [], keeps Kueue from "
    "starting it."
)
HELD = "Kueue holds it in the queue 'team'"
WORKLOADS: dict[str, tuple[KubeObject | None, int | None, str]] = {
    "without a Workload the queue is all that is known": (None, None, HELD),
    "what nobody has looked at yet has its place": (workload(), 2, f"{HELD}, place 3"),
    "without the right to see the place the reason is told": (
        workload(PENDING),
        None,
        f"{HELD}: not enough free quota ({NO_QUOTA})",
    ),
    "the first has a place and a reason": (
        workload(PENDING),
        0,
        f"{HELD}, place 1: not enough free quota ({NO_QUOTA})",
    ),
    "more than the queue may ever have": (
        workload(condition("QuotaReserved", False, "Pending", TOO_MUCH)),
        0,
        f"{HELD}, place 1: it asks for more than the queue may ever have ({TOO_MUCH}). {LESS}",
    ),
    "a queue that is not there": (
        workload(condition("QuotaReserved", False, "Inadmissible", "LocalQueue team doesn't exist")),
        None,
        f"{HELD}: LocalQueue team doesn't exist",
    ),
    "preempted by a more important job": (
        workload(PENDING, EVICTED, condition("Preempted", True, "InClusterQueue", PREEMPTED)),
        1,
        f"{HELD}, place 2: {ROOM}; not enough free quota ({NO_QUOTA})",
    ),
    "preempted, while its pods end": (
        workload(
            RESERVED,
            condition("Admitted", True),
            EVICTED,
            condition("Preempted", True, "InClusterQueue", PREEMPTED),
        ),
        None,
        f"{HELD}: {ROOM}",
    ),
    "preempted for a reason of a later Kueue": (
        workload(EVICTED, condition("Preempted", True, "InSomethingElse", "Preempted to make room.")),
        None,
        f"{HELD}: it was preempted, since Preempted to make room, and continues automatically",
    ),
    "evicted in another way": (
        workload(condition("Evicted", True, "PodsReadyTimeout", "Exceeded the PodsReady timeout a/b")),
        0,
        f"{HELD}, place 1: it was evicted (Exceeded the PodsReady timeout a/b)",
    ),
    "an eviction that is over counts no more": (
        workload(PENDING, condition("Evicted", False, "QuotaReserved", "Previously: Preempted")),
        0,
        f"{HELD}, place 1: not enough free quota ({NO_QUOTA})",
    ),
    "admission checks": (
        workload(
            RESERVED,
            checks=({"name": "budget", "state": "Pending", "message": "ask"}, {"name": "size", "state": "Ready"}),
        ),
        None,
        f"{HELD} for its admission checks (budget: ask)",
    ),
    "admitted, and not started yet": (
        workload(RESERVED, condition("Admitted", True)),
        None,
        f"Kueue has admitted it from the queue 'team', and will start it. {STUCK}",
    ),
    "paused by somebody else": (
        workload(condition("Evicted", True, "Deactivated", "The workload is deactivated"), active=False),
        None,
        "Kueue keeps it paused (The workload is deactivated). resume() lets it queue again.",
    ),
}


@pytest.mark.parametrize(("held", "position", "expected"), WORKLOADS.values(), ids=WORKLOADS)
def test_explain_hold(held: KubeObject | None, position: int | None, expected: str) -> None:
    hold = explain_hold(trainjob(), held, position)
    assert hold.cause.sentence == expected
    assert hold.active is (held is None or held["spec"].get("active") is not False)


def snapshot(job: KubeObject, *pods: KubeObject, **options: Any) -> Snapshot:
    return derive_snapshot(job, pods, Telemetry(), context="real", **options)


PAUSED = explain_hold(trainjob(), workload(active=False))
STATES: dict[str, tuple[KubeObject, Hold | None, State]] = {
    "what Kueue holds is queued": (trainjob(), None, State.QUEUED),
    "what its Workload explains as well": (trainjob(), explain_hold(trainjob(), workload(PENDING)), State.QUEUED),
    "what is paused does not go on by itself": (trainjob(), PAUSED, State.SUSPENDED),
    "what was stopped through its Workload is stopped": (trainjob(stopped=True), PAUSED, State.STOPPED),
    "without a queue Kueue has no part in it": (trainjob(queue=""), None, State.SUSPENDED),
    "what Kueue has let go on runs": (trainjob(suspend=False), None, State.RUNNING),
}


@pytest.mark.parametrize(("job", "hold", "state"), STATES.values(), ids=STATES)
def test_state_of_a_job_in_a_queue(job: KubeObject, hold: Hold | None, state: State) -> None:
    status = snapshot(job, *test_derive.RUNNING, hold=hold)
    assert status.state is state
    if state in (State.QUEUED, State.SUSPENDED) and hold:
        assert status.reason == hold.cause.sentence


def test_preempted_job_is_queued_since_its_preemption_without_pods() -> None:
    job = trainjob()
    suspended = condition("Suspended", True) | {"lastTransitionTime": test_derive.LATER}
    job["status"]["conditions"] = [suspended]
    status = snapshot(job, *test_derive.RUNNING)
    assert [(phase.name, phase.started - status.created, phase.ended) for phase in status.phases] == [
        ("queued", 10.0, None)
    ]
    assert {(node.state, node.pod) for node in status.pods} == {("Waiting", "")}


def test_exports_leave_out_what_kueue_wrote() -> None:
    job = {**trainjob(), "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob"}
    written = yaml.safe_load(exports.as_yaml(job))
    assert written["spec"]["runtimePatches"] == [{"manager": PATCH_MANAGER}]
    assert "suspend" not in written["spec"]
    assert written["metadata"]["labels"] == {KUEUE_QUEUE_LABEL: "team"}
    assert kueue.is_held(job)


class Answers:
    """A cluster with one Workload, where some groups of the API are forbidden."""

    def __init__(self, *forbidden: str) -> None:
        self._forbidden = forbidden

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Answer by path."""
        del timeout
        group = request.path.split("/")[2]
        if group in self._forbidden or request.method in self._forbidden:
            return Body(403, {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no right"})
        held = workload(PENDING)
        held["metadata"]["labels"] = {KUEUE_JOB_UID_LABEL: "u-1"}
        pending = {"metadata": {"name": held["metadata"]["name"]}, "positionInLocalQueue": 4}
        answers: dict[str, KubeObject] = {
            f"/apis/{group}": {"preferredVersion": {"version": "v1"}},
            f"/apis/{KUEUE_GROUP}/v1/namespaces/default/workloads": {
                "metadata": {"resourceVersion": "1"},
                "items": [held],
            },
            f"/apis/{KUEUE_VISIBILITY_GROUP}/v1/namespaces/default/localqueues/team/pendingworkloads": {
                "items": [pending]
            },
        }
        return Body(200, answers[request.path])


class Body:
    """A complete response."""

    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, status: int, body: KubeObject) -> None:
        self.status = status
        self._body = json.dumps(body).encode()

    def read(self) -> bytes:
        """Return all of it."""
        return self._body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        """Do nothing."""


RIGHTS: dict[str, tuple[tuple[str, ...], str]] = {
    "with all rights the place and the reason": ((), f"{HELD}, place 5: not enough free quota ({NO_QUOTA})"),
    "without the visibility API the reason": ((KUEUE_VISIBILITY_GROUP,), f"{HELD}: not enough free quota ({NO_QUOTA})"),
    "without the Workload that there is a queue": ((KUEUE_GROUP,), HELD),
}


@pytest.mark.parametrize(("forbidden", "expected"), RIGHTS.values(), ids=RIGHTS)
def test_hold_is_explained_without_permissions(forbidden: tuple[str, ...], expected: str) -> None:
    holds = kueue.explain_holds(Client(Answers(*forbidden)), "default", [trainjob()])
    assert {uid: hold.cause.sentence for uid, hold in holds.items()} == {"u-1": expected}


def test_pause_without_permission_names_the_missing_role() -> None:
    with pytest.raises(errors.UsageError, match=r"a-b was not stopped\. Kueue .*no right.*workload-editor-role"):
        kueue.pause(Client(Answers("PATCH")), trainjob())
    assert not kueue.pause(Client(Answers("PATCH")), trainjob(queue=""))
