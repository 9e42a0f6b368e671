"""JobSet's controller and ours make the same objects of the same JobSets, through their whole life.

The tests play the Job controller; JobSets are deleted in the end only by their time to live.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import pytest

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import JOBS, JOBSETS, NAMESPACES, KubeObject

from . import job_controller
from .comparison import Objects
from .jobsets import DIMENSIONS, build_jobset
from .pair import Pair
from .pairwise import Case, all_pairs, generate_cases, pairs_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NUMBER = 80
REASONS = ("BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy")


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {f"job-{number}": case for number, case in enumerate(generate_cases(DIMENSIONS, NUMBER))}


def test_cases_cover_all_pairs(cases: dict[str, Case]) -> None:
    assert set().union(*(pairs_of(case) for case in cases.values())) == all_pairs(DIMENSIONS)


def test_objects_and_life_cycles_are_equal(jobset_pair: Pair, cases: dict[str, Case]) -> None:
    pair = jobset_pair
    for name, case in cases.items():
        pair.create(NAMESPACES, {"metadata": {"name": name}})
        theirs, ours = pair.create(JOBSETS, build_jobset(name, case), name)
        assert bool(theirs) == bool(ours), f"upstream: {theirs or 'accepted'}, ours: {ours or 'accepted'}"
    objects = pair.objects(pair.ours)
    jobsets = [name for name in cases if (JOBSETS.kind, f"{name}/{name}") in objects]
    assert len(jobsets) > NUMBER / 2, "most JobSets must be accepted"
    reconciled = [name for name in jobsets if cases[name]["managed by"] != "other.example/controller"]

    def first_jobs_exist(objects: Objects) -> bool:
        return all(jobs_of(objects, name) for name in reconciled)

    pair.assert_equal(first_jobs_exist)
    admit(pair, [name for name in reconciled if cases[name]["suspend"]])
    run(pair, reconciled, cases)
    suspended = reconciled[::3]
    for name in suspended:
        assert pair.patch(JOBSETS, name, {"spec": {"suspend": True}}) == ("", "")
    pair.assert_equal(lambda objects: all(is_suspended(objects, name) for name in suspended))
    pair.assert_equal(first_jobs_exist, meanwhile=job_controller.run_jobs)
    admit(pair, suspended)
    run(pair, reconciled, cases)
    fail(pair, reconciled[::2], cases)
    complete(pair, reconciled)


def admit(pair: Pair, jobsets: Iterable[str]) -> None:
    """Give the pods of suspended JobSets a node selector, and resume them, as a queueing system does."""
    for name in jobsets:
        first = pair.ours.get(JOBSETS, name, namespace=name)["spec"]["replicatedJobs"]
        for job in first:
            job["template"]["spec"]["template"]["spec"].setdefault("nodeSelector", {})["flavor"] = "fast"
        assert pair.patch(JOBSETS, name, {"spec": {"replicatedJobs": first}}) == ("", "")
        assert pair.patch(JOBSETS, name, {"spec": {"suspend": False}}) == ("", "")
    pair.assert_equal(lambda objects: not any(is_suspended(objects, name) for name in jobsets))


def run(pair: Pair, jobsets: Iterable[str], cases: dict[str, Case]) -> None:
    """Let the pods of all Jobs be ready, apart from those that wait until others complete."""

    def are_ready(objects: Objects) -> bool:
        return all(is_running(objects, name, cases[name]) for name in jobsets)

    pair.assert_equal(are_ready, meanwhile=job_controller.run_jobs)


def fail(pair: Pair, jobsets: list[str], cases: dict[str, Case]) -> None:
    """Let a Job of each JobSet fail, and again after each restart, until all JobSets have failed."""
    for attempt in range(4):
        before = pair.objects(pair.ours)
        running = [name for name in jobsets if not is_ended(before, name)]
        for number, name in enumerate(running):
            last = sorted(jobs_of(before, name))[-1 if number % 2 else 0]
            for client in (pair.upstream, pair.ours):
                job_controller.fail_jobs(client, partial(has_name, last), reason=REASONS[number % 3])

        def have_reacted(objects: Objects, running: list[str] = running, attempt: int = attempt) -> bool:
            return all(is_ended(objects, name) or restarts(objects, name) == attempt + 1 for name in running)

        pair.assert_equal(have_reacted, meanwhile=job_controller.collect_deleted)
        run(pair, jobsets, cases)


def complete(pair: Pair, jobsets: list[str]) -> None:
    """Let the Jobs of each JobSet succeed, one replicated job after the other.

    A JobSet that is complete deletes its other Jobs. Which of them had succeeded must not be chance.
    """
    for part in ("-first-0", "-first-", "-second-", "-third-"):
        for client in (pair.upstream, pair.ours):
            job_controller.complete_jobs(client, partial(is_part, part))
        pair.assert_equal(partial(are_complete, part), meanwhile=job_controller.run_jobs)
    objects = pair.objects(pair.ours)
    assert all(is_ended(objects, name) for name in jobsets)


def is_part(part: str, job: KubeObject) -> bool:
    return part in job["metadata"]["name"]


def are_complete(part: str, objects: Objects) -> bool:
    """Return whether no Job of a part of the JobSets still runs."""
    return all(
        job_controller.is_finished(obj) for (kind, name), obj in objects.items() if kind == JOBS.kind and part in name
    )


def has_name(name: str, job: KubeObject) -> bool:
    return bool(job["metadata"]["name"] == name)


def jobset_of(objects: Objects, name: str) -> KubeObject | None:
    jobset: KubeObject | None = objects.get((JOBSETS.kind, f"{name}/{name}"))
    return jobset


def jobs_of(objects: Objects, jobset: str) -> list[str]:
    """Return the names of the Jobs of a JobSet."""
    return [key.split("/")[1] for kind, key in objects if kind == JOBS.kind and key.startswith(f"{jobset}/")]


def is_suspended(objects: Objects, name: str) -> bool:
    """Return whether a JobSet and its Jobs are suspended."""
    jobset = jobset_of(objects, name)
    jobs = [objects[JOBS.kind, f"{name}/{job}"] for job in jobs_of(objects, name)]
    return (
        jobset is not None
        and conditions.is_true(jobset, "Suspended")
        and all(job["spec"]["suspend"] for job in jobs if not job_controller.is_finished(job))
    )


def is_running(objects: Objects, name: str, case: Case) -> bool:
    """Return whether a JobSet has ended, or its Jobs are ready that need not wait until others complete."""
    jobset = jobset_of(objects, name)
    if is_ended(objects, name) or jobset is None:
        return True
    jobs = jobset["spec"]["replicatedJobs"][: 1 if case["startup"] == "after complete" else None]
    wanted = {job["name"]: job["replicas"] for job in jobs}
    counts = {status["name"]: status["ready"] for status in jobset["status"]["replicatedJobsStatus"]}
    return all(counts[job] == number for job, number in wanted.items())


def is_ended(objects: Objects, name: str) -> bool:
    """Return whether a JobSet is complete, has failed, or is deleted by its time to live."""
    jobset = jobset_of(objects, name)
    return jobset is None or any(conditions.is_true(jobset, kind) for kind in ("Completed", "Failed"))


def restarts(objects: Objects, name: str) -> int:
    jobset = jobset_of(objects, name)
    return 0 if jobset is None else int(jobset["status"]["restarts"])
