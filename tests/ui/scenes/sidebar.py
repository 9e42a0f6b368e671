"""The sidebar: empty, with jobs, without a cluster, and with each message of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_trainjob.client.doctor.finding import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.client.snapshot import Failure, Snapshot, State
from jupyter_trainjob.cluster.daemon.launcher import NEVER_STARTED, NOT_RUNNING
from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from tests.ui.scenes import places, states
from tests.ui.scenes.places import REMOTE, Machine
from tests.ui.scenes.recorded import NOW, Message, Scene

LOGGED_OUT = "You are no longer logged in to the Jupyter server. What you see may be out of date."
FARM = (
    Machine("gpu-a-01", _A := {"cpu": "64", "memory": "512Gi", "nvidia.com/gpu": "8"}, {**_A, "cpu": "60"}, "H100"),
    Machine("gpu-a-02", _A, {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "1"}, "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"),
    Machine("ip-10-0-121-214.eu-west-1.compute.internal", {"cpu": "16", "memory": "64Gi"}, {}, ready=False),
)
CHECKS = (
    Check("Python", OK, "3.12.4 in the notebook's environment"),
    Check("gpu-cluster-eu-west", PROBLEM, "its credentials have run out", "Log in again, as for kubectl."),
    Check("warm start", NOTE, "/usr/bin/python3 has no torch: jobs of torch-distributed fail", "pip install torch"),
)


def scenes() -> dict[str, Scene]:
    """Return the sidebar's scenes by name."""
    jobs = snapshots()
    with places.cluster():
        here = places.cluster_info()
        scenes_by_name = {
            "sidebar": of(here, [places.started(), *places.listed(jobs)]),
            "sidebar-empty": of(here, [places.started(), *places.listed([])]),
            "sidebar-no-namespace": of(here, [places.started(namespace="reserch"), *places.listed([])]),
            "sidebar-looking": of(places.empty_info(), []),
            "sidebar-long": of(here, [places.started(), *places.listed(long_names())]),
            "sidebar-hostile": of(here, [places.started(), *places.listed([states.jobs()["hostile"].moment])]),
            "sidebar-many": of(here, [places.started(), *places.listed(many())]),
            "sidebar-login": of(
                here, [places.started(), *places.listed(jobs[:3])], problem={"trouble": LOGGED_OUT, "login": "/lab"}
            ),
            "sidebar-doctor": of(here, [places.started(), *places.listed(jobs)], doctor=places.findings(CHECKS)),
            "sidebar-doctor-fails": of(
                here,
                [places.started(), *places.listed(jobs[:2])],
                doctor={"error": "The Jupyter server does not answer."},
            ),
            "sidebar-unreachable": of(
                here, [places.started(), *places.listed(jobs[:3], trouble="The API server does not answer.")]
            ),
        }
    with places.cluster(running=False):
        refusal = {"error": "The embedded cluster did not come up: no space is left on the device."}
        for name, why in (("sidebar-new", NEVER_STARTED), ("sidebar-stopped", NOT_RUNNING)):
            listed = places.listed([], trouble=why, synced=False)
            scenes_by_name[name] = of(places.empty_info(), [places.started(), *listed], start=refusal)
    remote = places.started(REMOTE, "research")
    with places.cluster(REMOTE, FARM):
        scenes_by_name["sidebar-farm"] = of(
            places.cluster_info(REMOTE), [remote, *places.listed(jobs[:4])], context=REMOTE
        )
    with places.cluster(REMOTE, FARM, may_look=False):
        scenes_by_name["sidebar-forbidden"] = of(
            places.cluster_info(REMOTE), [remote, *places.listed(jobs[:2])], context=REMOTE
        )
    return scenes_by_name


def of(
    info: Mapping[str, Any],
    messages: Sequence[Message],
    *,
    context: str | None = None,
    problem: Mapping[str, str] | None = None,
    doctor: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
) -> Scene:
    """Return a sidebar with this cluster information after these messages."""
    where = {"context": context, "namespace": None}
    state = {"where": where, "info": info, "problem": problem, "doctor": doctor, "start": start}
    return Scene(state=state, messages=list(messages), kind="sidebar")


def job(name: str, state: State, **more: Any) -> Snapshot:
    """Return a job of this computer."""
    return replace(
        Snapshot(
            uid=f"uid-{name}",
            name=name,
            namespace="default",
            context=EMBEDDED_CONTEXT,
            state=state,
            runtime="torch-distributed",
            nodes=8,
            created=NOW - 151,
        ),
        **more,
    )


def snapshots() -> list[Snapshot]:
    """Return a job in every group."""
    failure = Failure("ValueError: Expected input batch_size (32) to match target batch_size (31).", 3)
    return [
        job("digits-x7k2p", State.RUNNING, step=2592, total=3600, eta=41.0, metrics={"loss": 0.184}),
        job("sweep-lr-3e4-a81mm", State.STARTING, created=NOW - 4, reason="Pulling image pytorch/pytorch:2.15.0"),
        job("llama-lora-9fj2c", State.QUEUED, nodes=2, reason="needs 2 GPUs, this computer has none"),
        job("digits-m3q8d", State.FAILED, created=NOW - 740, finished=NOW - 720, failure=failure),
        job("nightly-0kq3z", State.STOPPED, created=NOW - 5000, reason="stopped by jupyter-trainjob"),
        job("baseline-k2v7s", State.COMPLETE, created=NOW - 3751, finished=NOW - 3600, metrics={"accuracy": 0.957}),
    ]


def long_names() -> list[Snapshot]:
    """Return jobs with names of the maximum length."""
    name = "fine-tune-llama-3-70b-instruct-on-customer-support-v2-7x2kq"
    return [
        job(name, State.RUNNING, step=1, total=3, eta=360_000.0, metrics={"validation/perplexity_per_token": 12.5}),
        job(f"a{name}"[:63], State.FAILED, finished=NOW - 9, failure=Failure("RuntimeError: " + "no room " * 30, 0)),
        job("x", State.QUEUED, reason="0/12 nodes are available: 12 Insufficient nvidia.com/gpu. " * 3),
    ]


def many() -> list[Snapshot]:
    """Return two thousand jobs."""
    return [
        job(f"trial-{i:04d}", State.COMPLETE, created=NOW - 60 * i - 50, finished=NOW - 60 * i) for i in range(2000)
    ]
