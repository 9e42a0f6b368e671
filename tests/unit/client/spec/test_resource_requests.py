"""Resource requests of a TrainJob, and the check that they fit the nodes."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.spec.resource_requests import no_fit_reason, request_resources
from jupyter_trainjob.constants import FRAMEWORK_LABEL
from jupyter_trainjob.errors import UsageError

GPU = "nvidia.com/gpu"


def node(**allocatable: str) -> KubeObject:
    return {"status": {"allocatable": {name.replace("gpu", GPU): amount for name, amount in allocatable.items()}}}


def runtime(framework: str = "torch") -> KubeObject:
    return {"metadata": {"name": "r", "labels": {FRAMEWORK_LABEL: framework}}}


SMALL, LARGE = node(cpu="2", memory="8Gi"), node(cpu="32", memory="256Gi", gpu="8")

ASKS: dict[str, tuple[dict[str, Any], KubeObject, KubeObject | None, int | None]] = {
    "nothing asks for nothing": ({}, {}, None, None),
    "CPUs are request and limit": (
        {"cpus": "0.5"},
        {},
        {"requests": {"cpu": "500m"}, "limits": {"cpu": "500m"}},
        1,
    ),
    "GPUs bring one process each, and no limit of CPUs": (
        {"gpus": 2},
        {},
        {"requests": {GPU: "2"}, "limits": {GPU: "2"}},
        2,
    ),
    "memory alone gets a limit of CPUs that binds nothing": (
        {"memory": "4Gi"},
        {},
        {"requests": {"memory": "4Gi", "cpu": "0"}, "limits": {"memory": "4Gi", "cpu": "32"}},
        1,
    ),
    "a request of CPUs of the runtime stays": (
        {"memory": "4Gi"},
        {"requests": {"cpu": "3"}},
        {"requests": {"memory": "4Gi"}, "limits": {"memory": "4Gi", "cpu": "32"}},
        1,
    ),
    "a limit of CPUs of the runtime stays": (
        {"memory": "4Gi"},
        {"limits": {"cpu": "3"}},
        {"requests": {"memory": "4Gi"}, "limits": {"memory": "4Gi", "cpu": "3"}},
        1,
    ),
    "GPUs of the runtime are counted when only memory is asked for": (
        {"memory": "4Gi", "cpus": 4},
        {"limits": {GPU: "8"}},
        {"requests": {"memory": "4Gi", "cpu": "4"}, "limits": {"memory": "4Gi", "cpu": "4"}},
        8,
    ),
    "processes are as many as are asked for": ({"procs_per_node": 3}, {}, None, 3),
    "processes asked for win over GPUs": (
        {"gpus": 4, "procs_per_node": 1},
        {},
        {"requests": {GPU: "4"}, "limits": {GPU: "4"}},
        1,
    ),
    "no GPUs are nothing to ask for": ({"gpus": 0}, {}, None, None),
}


@pytest.mark.parametrize(("options", "trainer", "resources", "processes"), ASKS.values(), ids=ASKS)
def test_request_resources(
    options: dict[str, Any], trainer: KubeObject, resources: KubeObject | None, processes: int | None
) -> None:
    request = request_resources(job_options(**options), runtime=runtime(), trainer=trainer, nodes=[SMALL, LARGE])
    assert request.resources == resources
    assert request.procs_per_node == processes


def test_limits_name_a_device_or_cpus_or_are_absent() -> None:
    for options in ({}, {"cpus": 1}, {"memory": "1Gi"}, {"gpus": 1}, {"gpus": 1, "memory": "1Gi"}):
        resources = request_resources(job_options(**options), runtime=runtime(), trainer={}, nodes=[LARGE]).resources
        assert resources is None or {"cpu", GPU} & set(resources["limits"])


def test_runtime_without_torchrun_starts_one_process() -> None:
    assert (
        request_resources(job_options(cpus=4), runtime=runtime("plain"), trainer={}, nodes=None).procs_per_node is None
    )
    assert (
        request_resources(
            job_options(procs_per_node=1), runtime=runtime("plain"), trainer={}, nodes=None
        ).procs_per_node
        == 1
    )
    with pytest.raises(UsageError, match="more --nodes"):
        request_resources(job_options(procs_per_node=2), runtime=runtime("plain"), trainer={}, nodes=None)


def test_memory_needs_cpus_where_nodes_cannot_be_listed() -> None:
    with pytest.raises(UsageError, match="--cpus 4"):
        request_resources(job_options(memory="1Gi"), runtime=runtime(), trainer={}, nodes=None)
    assert (
        request_resources(job_options(memory="1Gi", cpus=2), runtime=runtime(), trainer={}, nodes=None).resources
        is not None
    )


def test_gpus_have_the_resource_name_of_the_cluster() -> None:
    amd = {"status": {"allocatable": {"cpu": "8", "amd.com/gpu": "4"}}}
    resources = request_resources(job_options(gpus=1), runtime=runtime(), trainer={}, nodes=[amd]).resources
    assert resources == {"requests": {"amd.com/gpu": "1"}, "limits": {"amd.com/gpu": "1"}}


FITS: dict[str, tuple[dict[str, Any], int, bool, str]] = {
    "nothing asked for always fits": ({}, 100, True, ""),
    "what the largest node has fits": ({"cpus": 32, "memory": "256Gi"}, 1, True, ""),
    "more CPUs than any node has": (
        {"cpus": 33},
        1,
        True,
        "No node of x has 33 CPUs. The nearest has 32 CPUs: ask for no more than that.",
    ),
    "all at once on no node, though each on one": (
        {"cpus": 4, "memory": "1Ti"},
        1,
        True,
        "The nearest has 32 CPUs and 256Gi of memory: ask for no more than that.",
    ),
    "more nodes than fit together": (
        {"cpus": 1},
        35,
        True,
        "35 nodes with 1 CPU each do not fit on x at once: it has 34 CPUs in all, room for 34. Ask for fewer",
    ),
    "a cluster that may grow is not counted through": ({"cpus": 1}, 35, False, ""),
}


@pytest.mark.parametrize(("options", "count", "shared", "expected"), FITS.values(), ids=FITS)
def test_no_fit_reason(options: dict[str, Any], count: int, shared: bool, expected: str) -> None:
    wanted = request_resources(job_options(**options), runtime=runtime(), trainer={}, nodes=[SMALL, LARGE]).resources
    reason = no_fit_reason(wanted, count=count, nodes=[SMALL, LARGE], where="x", shared=shared)
    assert expected in reason
    assert bool(expected) == bool(reason)


def test_resource_that_no_node_has_is_named() -> None:
    wanted = request_resources(job_options(gpus=1), runtime=runtime(), trainer={}, nodes=[SMALL]).resources
    expected = no_fit_reason(wanted, count=1, nodes=[SMALL], where="x", shared=True)
    assert expected == "No node of x has any GPU: ask for none, or choose another cluster with --context."


def test_any_request_fits_where_nodes_cannot_be_listed() -> None:
    wanted = request_resources(job_options(cpus=1000), runtime=runtime(), trainer={}, nodes=None).resources
    assert no_fit_reason(wanted, count=1, nodes=[], where="x", shared=False) == ""
