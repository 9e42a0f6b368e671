"""Kubeflow Trainer's controller and ours make the same objects of the same TrainJobs, through their whole life.

Deliberate differences are listed in docs/explanation/kubeflow-differences.md and avoided by the generated TrainJobs.
"""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from functools import partial
from typing import Final

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBSETS,
    NAMESPACES,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
)
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request

from .comparison import Objects
from .pair import Pair
from .pairwise import Case, all_pairs, generate_cases, pairs_of
from .train_jobs import DIMENSIONS, build_runtime, build_train_job, pod_patch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NUMBER: Final = 200
LIFE_CYCLES: Final = 40
MISSING_RUNTIME: Final = "must be created before the TrainJob is created"


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {f"job-{number}": case for number, case in enumerate(generate_cases(DIMENSIONS, NUMBER))}


def test_cases_cover_all_pairs(cases: dict[str, Case]) -> None:
    covered = set().union(*(pairs_of(case) for case in cases.values()))
    assert covered == all_pairs(DIMENSIONS)


def runtime_name(case: Case) -> str:
    """Return the name of a case's runtime, which is torchtune's name of a model."""
    return "torchtune-llama3.2-1b" if case["policy"] == "torchtune" else "runtime"


def test_objects_and_life_cycles_are_equal(trainer_pair: Pair, cases: dict[str, Case]) -> None:
    pair = trainer_pair
    for name, case in cases.items():
        pair.create(NAMESPACES, {"metadata": {"name": name}})
        assert pair.create(TRAININGRUNTIMES, build_runtime(runtime_name(case), case), name) == ("", "")
    for name, case in cases.items():
        theirs, ours = pair.create(TRAINJOBS, build_train_job(name, runtime_name(case), case), name)
        while MISSING_RUNTIME in theirs and ours == "":  # Kubeflow's webhook reads a cache
            theirs = pair.create_upstream(TRAINJOBS, build_train_job(name, runtime_name(case), case), name)
        assert theirs == ours

    jobs = {name for kind, key in pair.objects(pair.ours) if kind == TRAINJOBS.kind for name in [key.split("/")[1]]}
    assert len(jobs) > NUMBER / 2, "most TrainJobs must be accepted"

    def all_built(objects: Objects) -> bool:
        return all((JOBSETS.kind, f"{job}/{job}") in objects for job in jobs)

    pair.assert_equal(all_built)
    run_life_cycles(pair, sorted(jobs)[:LIFE_CYCLES], cases)


def test_warnings_of_deprecated_runtimes_are_equal(trainer_pair: Pair) -> None:
    case: Case = {name: values[0] for name, values in DIMENSIONS.items()} | {"policy": "torch"}
    namespace = "job-of-a-deprecated-runtime"
    runtime = build_runtime("old", case) | {
        "apiVersion": CLUSTERTRAININGRUNTIMES.api_version,
        "kind": CLUSTERTRAININGRUNTIMES.kind,
        "metadata": {"name": "old", "labels": {"trainer.kubeflow.org/support": "deprecated"}},
    }
    job = {
        "apiVersion": TRAINJOBS.api_version,
        "kind": TRAINJOBS.kind,
        "metadata": {"name": "a"},
        "spec": {"runtimeRef": {"name": "old"}, "trainer": {"numNodes": 1}},
    }

    def warnings(client: Client) -> list[str]:
        client.create(NAMESPACES, {"metadata": {"name": namespace}})
        texts = [_warning(client, CLUSTERTRAININGRUNTIMES.path(), runtime)]
        while len(texts) == 1:
            with suppress(errors.Forbidden):  # Kubeflow's webhook reads a cache
                texts.append(_warning(client, TRAINJOBS.path(namespace), job))
        return texts

    theirs, ours = warnings(trainer_pair.upstream), warnings(trainer_pair.ours)
    assert theirs == ours
    assert all("is deprecated" in text for text in ours)


def _warning(client: Client, path: str, body: KubeObject) -> str:
    response = client.raw(Request("POST", path, {}, json.dumps(body).encode()))
    return response.headers.get("warning", "")


def run_life_cycles(pair: Pair, jobs: list[str], cases: dict[str, Case]) -> None:
    """Suspend, patch, resume, end and delete jobs, and compare after each step.

    Meanwhile the runtimes are edited, then deleted, which must not change the jobs. The patch is added and removed as
    Kueue does that: beside the others, and with what a suspended JobSet may change. It sets no label: Kubeflow's
    controller cannot take the last label of a pod template away.
    """
    late = pod_patch("c.example/late", {"nodeSelector": {"added": "yes"}})
    specs = {job: build_train_job(job, runtime_name(cases[job]), cases[job])["spec"] for job in jobs}
    given = {job: spec.get("runtimePatches", []) for job, spec in specs.items()}

    def are_patched(expected: list[str], objects: Objects) -> bool:
        return [job for job in jobs if "'added': 'yes'" in str(objects[JOBSETS.kind, f"{job}/{job}"])] == expected

    for job in jobs:
        if not cases[job]["suspend"]:
            theirs, ours = pair.patch(TRAINJOBS, job, {"spec": {"runtimePatches": [*given[job], late]}})
            assert theirs == ours != "", "a running job must not be patched"
            assert pair.patch(TRAINJOBS, job, {"spec": {"suspend": True}}) == ("", "")
    pair.assert_equal(lambda objects: all(is_suspended(objects, job) for job in jobs))

    edit = {"spec": {"template": {"metadata": {"labels": {"edited": "yes"}}}}}
    for job in jobs:
        runtime = runtime_name(cases[job])
        assert pair.patch(TRAININGRUNTIMES, runtime, edit, namespace=job) == ("", "")
    for patches, expected in (([late], jobs), ([], []), ([late], jobs)):
        for job in jobs:
            assert pair.patch(TRAINJOBS, job, {"spec": {"runtimePatches": [*given[job], *patches]}}) == ("", "")
        pair.assert_equal(partial(are_patched, expected))

    for job in jobs:
        assert pair.patch(TRAINJOBS, job, {"spec": {"suspend": False}}) == ("", "")
    pair.assert_equal(lambda objects: not any(is_suspended(objects, job) for job in jobs))

    for job in jobs:
        assert pair.delete(TRAININGRUNTIMES, runtime_name(cases[job]), namespace=job) == ("", "")
    for job, condition in zip(jobs, itertools.cycle(("Completed", "Failed", None)), strict=False):
        assert pair.patch(JOBSETS, job, {"status": jobset_status(condition)}, "status") == ("", "")
    pair.assert_equal(lambda objects: all("jobsStatus" in status_of(objects, job) for job in jobs))

    for job in jobs:
        assert pair.delete(TRAINJOBS, job) == ("", "")
    pair.assert_equal(lambda objects: not any((TRAINJOBS.kind, f"{job}/{job}") in objects for job in jobs))


def test_deadline_ends_the_same_jobs(trainer_pair: Pair) -> None:
    """A job fails its deadline, unless it is suspended; a resumed one has all of its time again."""
    pair = trainer_pair
    case: Case = {name: values[0] for name, values in DIMENSIONS.items()} | {"policy": "torch", "deadline": 3}
    jobs = ("job-deadline-running", "job-deadline-suspended", "job-deadline-resumed")
    for job in jobs:
        pair.create(NAMESPACES, {"metadata": {"name": job}})
        assert pair.create(TRAININGRUNTIMES, build_runtime("runtime", case), job) == ("", "")
        train_job = build_train_job(job, "runtime", {**case, "suspend": job != jobs[0]})
        while pair.create_upstream(TRAINJOBS, train_job, job):  # Kubeflow's webhook reads a cache
            pass
        pair.ours.create(TRAINJOBS, train_job, namespace=job)
    pair.assert_equal(lambda objects: is_past_deadline(objects, jobs[0]))
    assert pair.patch(TRAINJOBS, jobs[2], {"spec": {"suspend": False}}) == ("", "")
    pair.assert_equal(lambda objects: is_past_deadline(objects, jobs[2]))
    assert is_suspended(pair.objects(pair.ours), jobs[1])


def is_past_deadline(objects: Objects, job: str) -> bool:
    """Return whether a TrainJob failed its deadline, and its JobSet is deleted."""
    failed = conditions.find_condition(status_of(objects, job).get("conditions") or (), "Failed")
    return (
        failed is not None
        and failed["reason"] == conditions.DEADLINE_EXCEEDED
        and (JOBSETS.kind, f"{job}/{job}") not in objects
    )


def status_of(objects: Objects, job: str) -> KubeObject:
    status: KubeObject = objects[TRAINJOBS.kind, f"{job}/{job}"].get("status") or {}
    return status


def is_suspended(objects: Objects, job: str) -> bool:
    """Return whether a TrainJob and its JobSet are suspended."""
    train_job, jobset = (objects[kind, f"{job}/{job}"] for kind in (TRAINJOBS.kind, JOBSETS.kind))
    return conditions.is_true(train_job, "Suspended") and bool(jobset["spec"]["suspend"])


def jobset_status(condition: str | None) -> KubeObject:
    """Return the status that JobSet's controller writes when a JobSet has ended so, or runs."""
    counts = {"ready": 0, "succeeded": int(condition == "Completed"), "failed": int(condition == "Failed")}
    status: KubeObject = {
        "replicatedJobsStatus": [{"name": "node", **counts, "active": int(condition is None), "suspended": 0}],
        "restarts": 0,
    }
    reasons = {"Completed": "AllJobsCompleted", "Failed": "FailedJobs"}
    if condition:
        end = {"status": "True", "reason": reasons[condition], "message": "told by the test"}
        status["conditions"] = [{"type": condition, **end, "lastTransitionTime": "2026-01-01T00:00:00Z"}]
        status["terminalState"] = condition
    return status
