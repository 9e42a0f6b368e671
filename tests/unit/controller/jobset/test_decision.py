"""What is done about a JobSet: each policy alone, and all of them in their order."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.jobset import failure, success
from jupyter_trainjob.controller.jobset.children import categorize, counts, replicated_jobs_status
from jupyter_trainjob.controller.jobset.conditions import Condition
from jupyter_trainjob.controller.jobset.decision import Decision, decide
from jupyter_trainjob.controller.jobset.suspend import resume_patch

from .objects import EARLIER, NOW, NOW_TEXT, child, condition, jobset, replicated


def decided(js: Object, *jobs: Object) -> Decision:
    before = copy.deepcopy((js, jobs))
    decision = decide(js, jobs, now=NOW)
    assert (js, jobs) == before, "a decision must not change what informers hold"
    return decision


def names(jobs: list[Object]) -> list[str]:
    return [job["metadata"]["name"] for job in jobs]


def shown(decision: Decision) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in decision.status.get("conditions", ())}


def test_a_new_jobset_gets_its_service_and_all_its_jobs() -> None:
    decision = decided(jobset(replicated("a", replicas=2), replicated("b")))
    assert decision.service is not None
    assert names(decision.create) == ["j-a-0", "j-a-1", "j-b-0"]
    assert decision.status["restarts"] == 0
    assert [each["name"] for each in decision.status["replicatedJobsStatus"]] == ["b", "a"]
    assert decision.events == []


def test_jobs_are_counted_by_what_they_are() -> None:
    js = jobset(replicated("a", replicas=4, pods=2), replicated("b", replicas=2), suspend=False)
    jobs = [
        child(js, "a", 0, active=2, ready=1),
        child(js, "a", 1, active=1, ready=1, succeeded=1),
        child(js, "a", 2, complete=True),
        child(js, "a", 3, failed="BackoffLimitExceeded"),
        child({**js, "spec": {**js["spec"], "suspend": True}}, "b", 0),
    ]
    assert replicated_jobs_status(counts(js, categorize(js, jobs))) == [
        {"name": "b", "ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 1},
        {"name": "a", "ready": 1, "succeeded": 1, "failed": 1, "active": 2, "suspended": 0},
    ]


def test_success_ends_the_jobset() -> None:
    js = jobset()
    decision = decided(js, child(js, complete=True))
    assert shown(decision) == {"Completed": ("True", "AllJobsCompleted")}
    assert decision.status["terminalState"] == "Completed"
    assert decision.events == [("Normal", "AllJobsCompleted", "jobset completed successfully")]
    assert decision.create == []


SUCCESS: dict[str, tuple[Object, list[str], bool]] = {
    "all by default": ({}, ["a", "b"], True),
    "all but one are not all": ({}, ["a"], False),
    "any": ({"operator": "Any"}, ["b"], True),
    "all of the targets": ({"operator": "All", "targetReplicatedJobs": ["b"]}, ["b"], True),
    "others than the targets do not count": ({"operator": "All", "targetReplicatedJobs": ["b"]}, ["a"], False),
    "any of the targets": ({"operator": "Any", "targetReplicatedJobs": ["b"]}, ["a"], False),
}


@pytest.mark.parametrize("case", SUCCESS.values(), ids=SUCCESS.keys())
def test_success_policy(case: tuple[Object, list[str], bool]) -> None:
    policy, done, expected = case
    js = jobset(replicated("a"), replicated("b"), successPolicy=policy)
    children = categorize(js, [child(js, name, complete=True) for name in done])
    assert success.succeeded(js, children) is expected


RULES = [
    {"name": "fatal", "action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]},
    {"action": "RestartJobSetAndIgnoreMaxRestarts", "targetReplicatedJobs": ["b"]},
    {
        "name": "told",
        "action": "FailJobSet",
        "onJobFailureMessagePatterns": ["(", "^wh"],
        "targetReplicatedJobs": ["c"],
    },
]

FAILURES: dict[str, tuple[Object | None, int, str, str, failure.Fail | failure.Restart]] = {
    "no policy fails it": (
        None,
        0,
        "a",
        "BackoffLimitExceeded",
        failure.Fail("FailedJobs", "jobset failed due to one or more job failures (first failed job: j-a-0)"),
    ),
    "restarts left restart it": (
        {"maxRestarts": 2},
        1,
        "a",
        "X",
        failure.Restart(
            True,
            "DefaultFailurePolicy",
            "RestartJobSetFailurePolicyAction",
            "applying RestartJobSet failure policy action (first failed job: j-a-0)",
        ),
    ),
    "no restarts left fail it": (
        {"maxRestarts": 2},
        2,
        "a",
        "X",
        failure.Fail(
            "ReachedMaxRestarts", "jobset failed due to reaching max number of restarts (first failed job: j-a-0)"
        ),
    ),
    "a rule for this reason decides": (
        {"maxRestarts": 2, "rules": RULES},
        0,
        "a",
        "PodFailurePolicy",
        failure.Fail(
            "FailJobSetFailurePolicyAction", "applying FailJobSet failure policy action (first failed job: j-a-0)"
        ),
    ),
    "a rule for this replicated job decides, and gets its name from its place": (
        {"maxRestarts": 0, "rules": RULES},
        5,
        "b",
        "X",
        failure.Restart(
            False,
            "FailurePolicy_failurePolicyRule1",
            "RestartJobSetAndIgnoreMaxRestartsFailurePolicyAction",
            "applying RestartJobSetAndIgnoreMaxRestarts failure policy action (first failed job: j-b-0)",
        ),
    ),
    "a rule for this message decides, and a broken pattern matches nothing": (
        {"maxRestarts": 2, "rules": RULES},
        0,
        "c",
        "X",
        failure.Fail(
            "FailJobSetFailurePolicyAction", "applying FailJobSet failure policy action (first failed job: j-c-0)"
        ),
    ),
    "an action behind a gate fails it and says so": (
        {"maxRestarts": 2, "rules": [{"name": "r", "action": "RestartJob"}]},
        0,
        "a",
        "X",
        failure.Fail(
            "FailurePolicyActionNotSupported",
            "failure policy action RestartJob is not supported by this controller (first failed job: j-a-0)",
        ),
    ),
}


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES.keys())
def test_failure_policy(case: tuple[Object | None, int, str, str, failure.Fail | failure.Restart]) -> None:
    policy, used, name, reason, expected = case
    js = jobset(*(replicated(each) for each in "abc"), status={"restartsCountTowardsMax": used})
    if policy is not None:
        js["spec"]["failurePolicy"] = policy
    assert failure.on_failure(js, [child(js, name, failed=reason)]) == expected


def test_the_job_that_failed_first_is_named() -> None:
    js = jobset(replicated(replicas=2))
    jobs = [child(js, index=0, failed="X", since=NOW_TEXT), child(js, index=1, failed="X", since=EARLIER)]
    outcome = failure.on_failure(js, jobs)
    assert "(first failed job: j-node-1)" in outcome.message


def test_failure_ends_the_jobset_and_the_rest_is_deleted_after_that() -> None:
    js = jobset(replicated(replicas=2))
    running, failed = child(js, index=0, active=1), child(js, index=1, failed="X")
    decision = decided(js, running, failed)
    assert shown(decision) == {"Failed": ("True", "FailedJobs")}
    assert decision.status["terminalState"] == "Failed"
    assert [event[:2] for event in decision.events] == [("Warning", "FailedJobs")]
    assert decision.delete == []
    after = decided({**js, "status": decision.status}, running, failed)
    assert names(after.delete) == ["j-node-0"]
    assert after.create == []


def test_a_restart_counts_up_then_deletes_then_makes_all_jobs_anew() -> None:
    js = jobset(replicated(replicas=2), failurePolicy={"maxRestarts": 1})
    jobs = [child(js, index=0, active=1), child(js, index=1, failed="X")]
    decision = decided(js, *jobs)
    assert (decision.status["restarts"], decision.status["restartsCountTowardsMax"]) == (1, 1)
    assert shown(decision) == {"RestartingJobSet": ("True", "DefaultFailurePolicy")}
    assert [event[:2] for event in decision.events] == [
        ("Warning", "DefaultFailurePolicy"),
        ("Warning", "RestartJobSetFailurePolicyAction"),
    ]
    restarted = {**js, "status": decision.status}
    cleared = decided(restarted, *jobs)
    assert names(cleared.delete) == ["j-node-0", "j-node-1"]
    assert cleared.create == []
    half = decided(restarted, {**jobs[1], "metadata": {**jobs[1]["metadata"], "deletionTimestamp": NOW_TEXT}})
    assert (names(half.delete), names(half.create)) == ([], ["j-node-0"])
    new = decided(restarted)
    assert names(new.create) == ["j-node-0", "j-node-1"]
    assert new.create[0]["metadata"]["labels"]["jobset.sigs.k8s.io/restart-attempt"] == "1"
    ready = decided(restarted, *(child(restarted, index=index, ready=1) for index in range(2)))
    assert shown(ready) == {"RestartingJobSet": ("False", "JobsReady")}
    again = decided(restarted, child(restarted, index=0, failed="X"))
    assert shown(again)["Failed"] == ("True", "ReachedMaxRestarts")


def test_blocking_recreate_waits_for_the_last_job_of_the_old_attempt() -> None:
    policy = {"maxRestarts": 3, "restartStrategy": "BlockingRecreate"}
    js = jobset(replicated(replicas=2), failurePolicy=policy)
    old = child(js, index=0)
    js["status"] = {"restarts": 1}
    assert names(decided(js, old).create) == []
    assert names(decided(js).create) == ["j-node-0", "j-node-1"]


def run_in_order(*counts: dict[str, Any]) -> Decision:
    js = jobset(*(replicated(name) for name in "abc"), startupPolicy={"startupPolicyOrder": "InOrder"})
    return decided(js, *(child(js, name, **count) for name, count in zip("abc", counts, strict=False)))


def test_in_order_startup_waits_for_each_replicated_job() -> None:
    assert names(run_in_order().create) == ["j-a-0"]
    assert names(run_in_order({"active": 1}).create) == []
    assert names(run_in_order({"ready": 1}).create) == ["j-b-0"]
    assert names(run_in_order({"complete": True}, {"ready": 1}).create) == ["j-c-0"]
    waiting = run_in_order({"ready": 1}, {"active": 1})
    assert shown(waiting) == {"StartupPolicyInProgress": ("True", "InOrderStartupPolicyInProgress")}
    done = run_in_order({"ready": 1}, {"ready": 1}, {"ready": 1})
    assert shown(done) == {"StartupPolicyCompleted": ("True", "InOrderStartupPolicyCompleted")}


def test_dependencies_hold_a_replicated_job_back_until_they_are_ready_or_complete() -> None:
    for wanted, count, expected in (
        ("Ready", {"active": 1}, []),
        ("Ready", {"ready": 1}, ["j-b-0"]),
        ("Ready", {"complete": True}, ["j-b-0"]),
        ("Complete", {"ready": 1}, []),
        ("Complete", {"complete": True}, ["j-b-0"]),
    ):
        js = jobset(replicated("a"), replicated("b", dependsOn=[{"name": "a", "status": wanted}]))
        assert names(decided(js, child(js, "a", **count)).create) == expected, (wanted, count)
    js = jobset(replicated("b", dependsOn=[{"name": "missing", "status": "Ready"}]))
    assert decided(js).create == []


def test_suspending_stops_running_jobs_and_creates_missing_ones_stopped() -> None:
    running = jobset(replicated(replicas=2))
    job = child(running, index=0, active=1)
    decision = decided({**running, "spec": {**running["spec"], "suspend": True}}, job)
    assert decision.patches == [(job, {"spec": {"suspend": True}})]
    assert decision.create[0]["spec"]["suspend"] is True
    assert shown(decision) == {"Suspended": ("True", "SuspendedJobs")}


def test_resuming_lets_jobs_go_on_and_says_so_only_if_it_was_suspended() -> None:
    suspended = jobset(suspend=True)
    job = child(suspended)
    js = jobset(status={"conditions": [condition("Suspended", "SuspendedJobs", "jobset is suspended")]})
    decision = decided(js, job)
    assert decision.patches == [(job, {"spec": {"suspend": False}})]
    assert shown(decision) == {"Suspended": ("False", "ResumeJobs")}
    assert shown(decided(jobset(), child(jobset(), active=1))) == {}


def test_resuming_carries_over_where_the_pods_shall_run_and_keeps_what_others_put_there() -> None:
    job = child(jobset(suspend=True))
    job["spec"]["template"]["spec"].update(nodeSelector={"a": "1"}, tolerations=[{"key": "x"}])
    wanted = replicated()
    pod = wanted["template"]["spec"]["template"]
    pod["metadata"] = {"labels": {"queue": "q"}}
    pod["spec"].update(nodeSelector={"zone": "z"}, tolerations=[{"key": "x"}, {"key": "y"}], schedulingGates=[])
    assert resume_patch(job, wanted) == {
        "spec": {
            "suspend": False,
            "template": {
                "metadata": {"labels": {"queue": "q"}},
                "spec": {"nodeSelector": {"zone": "z"}, "tolerations": [{"key": "x"}, {"key": "y"}]},
            },
        }
    }


def test_a_finished_jobset_goes_when_its_time_is_up() -> None:
    done = [condition("Completed", since=EARLIER)]
    assert decided(jobset(status={"conditions": done})).again is None
    later = decided(jobset(status={"conditions": done}, ttlSecondsAfterFinished=90))
    assert (later.again, later.expired) == (30, False)
    assert decided(jobset(status={"conditions": done}, ttlSecondsAfterFinished=0)).expired


@pytest.mark.parametrize(
    "spec",
    [{"failurePolicy": {"restartStrategy": "InPlaceRestart"}}],
    ids=["in-place restarts"],
)
def test_what_is_not_supported_fails_the_jobset_and_says_so(spec: dict[str, Any]) -> None:
    decision = decided(jobset(**spec))
    assert shown(decision) == {"Failed": ("True", "NotSupported")}
    assert decision.create == []


def test_deciding_again_on_what_was_decided_changes_nothing() -> None:
    js = jobset(replicated(replicas=2), startupPolicy={"startupPolicyOrder": "InOrder"})
    jobs = [child(js, index=index, active=1) for index in range(2)]
    js["status"] = decided(js, *jobs).status
    again = decided(js, *jobs)
    assert (again.status, again.events, again.create, again.patches, again.delete) == (js["status"], [], [], [], [])


def test_a_false_condition_is_not_added_and_a_new_reason_keeps_the_time() -> None:
    false = Condition("RestartingJobSet", False, "JobsReady", "m")
    assert false.on([], now=NOW_TEXT) == []
    old = [condition("Failed", "A", "m")]
    new = Condition("Failed", True, "B", "m").on(old, now=NOW_TEXT)
    assert new == [condition("Failed", "B", "m")]
    assert Condition("Failed", True, "B", "m").on(new, now=NOW_TEXT) is new
    flipped = Condition("Failed", False, "B", "m").on(new, now=NOW_TEXT)
    assert (flipped[0]["status"], flipped[0]["lastTransitionTime"]) == ("False", NOW_TEXT)


def test_the_two_conditions_of_an_in_order_start_exclude_each_other() -> None:
    progress = Condition("StartupPolicyInProgress", True, "P", "m").on([], now=NOW_TEXT)
    done = Condition("StartupPolicyCompleted", True, "C", "m").on(progress, now=NOW_TEXT)
    status = {"status": {"conditions": done}}
    assert conditions.is_true(status, "StartupPolicyCompleted")
    assert not conditions.is_true(status, "StartupPolicyInProgress")
