"""Decisions about a JobSet: each policy alone, and all policies in their order."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.jobset import job_template
from jupyter_trainjob.controller.jobset.child_jobs import categorize, count_jobs, replicated_jobs_status
from jupyter_trainjob.controller.jobset.jobset_conditions import Condition
from jupyter_trainjob.controller.jobset.jobset_decision import Decision, decide
from jupyter_trainjob.controller.jobset.policies import failure_policy, success_policy
from jupyter_trainjob.controller.jobset.policies.suspension import resume_patch

from .objects import EARLIER, NOW, NOW_TEXT, child, condition, jobset, replicated


def decided(js: KubeObject, *jobs: KubeObject) -> Decision:
    before = copy.deepcopy((js, jobs))
    decision = decide(js, jobs, now=NOW)
    assert (js, jobs) == before, "a decision must not change what informers hold"
    return decision


def names(jobs: list[KubeObject]) -> list[str]:
    return [job["metadata"]["name"] for job in jobs]


def shown(decision: Decision) -> dict[str, tuple[str, str]]:
    return {
        condition["type"]: (condition["status"], condition["reason"])
        for condition in decision.status.get("conditions", ())
    }


def test_a_new_jobset_gets_its_service_and_all_its_jobs() -> None:
    decision = decided(jobset(replicated("a", replicas=2), replicated("b")))
    assert decision.service is not None
    assert names(decision.create) == ["j-a-0", "j-a-1", "j-b-0"]
    assert decision.status["restarts"] == 0
    assert [job_status["name"] for job_status in decision.status["replicatedJobsStatus"]] == ["b", "a"]
    assert decision.events == []


def test_jobs_are_counted_by_state() -> None:
    js = jobset(replicated("a", replicas=4, pods=2), replicated("b", replicas=2), suspend=False)
    jobs = [
        child(js, "a", 0, active=2, ready=1),
        child(js, "a", 1, active=1, ready=1, succeeded=1),
        child(js, "a", 2, complete=True),
        child(js, "a", 3, failed="BackoffLimitExceeded"),
        child({**js, "spec": {**js["spec"], "suspend": True}}, "b", 0),
    ]
    assert replicated_jobs_status(count_jobs(js, categorize(js, jobs))) == [
        {"name": "b", "ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 1},
        {"name": "a", "ready": 1, "succeeded": 1, "failed": 1, "active": 2, "suspended": 0},
    ]


def test_success_completes_the_jobset() -> None:
    js = jobset()
    decision = decided(js, child(js, complete=True))
    assert shown(decision) == {"Completed": ("True", "AllJobsCompleted")}
    assert decision.status["terminalState"] == "Completed"
    assert decision.events == [("Normal", "AllJobsCompleted", "jobset completed successfully")]
    assert decision.create == []


SUCCESS: dict[str, tuple[KubeObject, list[str], bool]] = {
    "all by default": ({}, ["a", "b"], True),
    "all but one are not all": ({}, ["a"], False),
    "any": ({"operator": "Any"}, ["b"], True),
    "all of the targets": ({"operator": "All", "targetReplicatedJobs": ["b"]}, ["b"], True),
    "others than the targets do not count": ({"operator": "All", "targetReplicatedJobs": ["b"]}, ["a"], False),
    "any of the targets": ({"operator": "Any", "targetReplicatedJobs": ["b"]}, ["a"], False),
}


@pytest.mark.parametrize("case", SUCCESS.values(), ids=SUCCESS.keys())
def test_success_policy(case: tuple[KubeObject, list[str], bool]) -> None:
    policy, done, expected = case
    js = jobset(replicated("a"), replicated("b"), successPolicy=policy)
    children = categorize(js, [child(js, name, complete=True) for name in done])
    assert success_policy.has_succeeded(js, children) is expected


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

FAILURES: dict[str, tuple[KubeObject | None, int, str, str, failure_policy.Fail | failure_policy.Restart]] = {
    "no policy fails it": (
        None,
        0,
        "a",
        "BackoffLimitExceeded",
        failure_policy.Fail("FailedJobs", "jobset failed due to one or more job failures (first failed job: j-a-0)"),
    ),
    "restarts left restart it": (
        {"maxRestarts": 2},
        1,
        "a",
        "X",
        failure_policy.Restart(
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
        failure_policy.Fail(
            "ReachedMaxRestarts", "jobset failed due to reaching max number of restarts (first failed job: j-a-0)"
        ),
    ),
    "a rule for this reason decides": (
        {"maxRestarts": 2, "rules": RULES},
        0,
        "a",
        "PodFailurePolicy",
        failure_policy.Fail(
            "FailJobSetFailurePolicyAction", "applying FailJobSet failure policy action (first failed job: j-a-0)"
        ),
    ),
    "a rule for this replicated job decides, and gets its name from its place": (
        {"maxRestarts": 0, "rules": RULES},
        5,
        "b",
        "X",
        failure_policy.Restart(
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
        failure_policy.Fail(
            "FailJobSetFailurePolicyAction", "applying FailJobSet failure policy action (first failed job: j-c-0)"
        ),
    ),
    "an action behind a gate fails it and says so": (
        {"maxRestarts": 2, "rules": [{"name": "r", "action": "RestartJob"}]},
        0,
        "a",
        "X",
        failure_policy.Fail(
            "FailurePolicyActionNotSupported",
            "failure policy action RestartJob is not supported by this controller (first failed job: j-a-0)",
        ),
    ),
}


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES.keys())
def test_failure_policy(
    case: tuple[KubeObject | None, int, str, str, failure_policy.Fail | failure_policy.Restart],
) -> None:
    policy, used, name, reason, expected = case
    js = jobset(*(replicated(name) for name in "abc"), status={"restartsCountTowardsMax": used})
    if policy is not None:
        js["spec"]["failurePolicy"] = policy
    assert failure_policy.decide_on_failure(js, [child(js, name, failed=reason)]) == expected


def test_message_names_the_job_that_failed_first() -> None:
    js = jobset(replicated(replicas=2))
    jobs = [child(js, index=0, failed="X", since=NOW_TEXT), child(js, index=1, failed="X", since=EARLIER)]
    outcome = failure_policy.decide_on_failure(js, jobs)
    assert "(first failed job: j-node-1)" in outcome.message


def test_failure_ends_the_jobset_before_its_other_jobs_are_deleted() -> None:
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


def test_restart_is_counted_then_all_jobs_are_deleted_and_recreated() -> None:
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


def test_replicated_job_waits_until_its_dependencies_are_ready_or_complete() -> None:
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


def test_suspension_suspends_running_jobs_and_creates_missing_jobs_suspended() -> None:
    running = jobset(replicated(replicas=2))
    job = child(running, index=0, active=1)
    decision = decided({**running, "spec": {**running["spec"], "suspend": True}}, job)
    assert decision.patches == [(job, {"spec": {"suspend": True}})]
    assert decision.create[0]["spec"]["suspend"] is True
    assert shown(decision) == {"Suspended": ("True", "SuspendedJobs")}


def test_resume_is_recorded_only_after_a_suspension() -> None:
    suspended = jobset(suspend=True)
    job = child(suspended)
    js = jobset(status={"conditions": [condition("Suspended", "SuspendedJobs", "jobset is suspended")]})
    decision = decided(js, job)
    assert decision.patches == [(job, {"spec": {"suspend": False}})]
    assert shown(decision) == {"Suspended": ("False", "ResumeJobs")}
    assert shown(decided(jobset(), child(jobset(), active=1))) == {}


def test_resuming_copies_the_scheduling_directives_and_keeps_those_of_others() -> None:
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


def test_finished_jobset_is_deleted_after_its_time_to_live() -> None:
    done = [condition("Completed", since=EARLIER)]
    assert decided(jobset(status={"conditions": done})).requeue_after is None
    later = decided(jobset(status={"conditions": done}, ttlSecondsAfterFinished=90))
    assert (later.requeue_after, later.expired) == (30, False)
    assert decided(jobset(status={"conditions": done}, ttlSecondsAfterFinished=0)).expired


@pytest.mark.parametrize(
    "spec",
    [{"failurePolicy": {"restartStrategy": "InPlaceRestart"}}],
    ids=["in-place restarts"],
)
def test_unsupported_field_fails_the_jobset_with_a_message(spec: dict[str, Any]) -> None:
    decision = decided(jobset(**spec))
    assert shown(decision) == {"Failed": ("True", "NotSupported")}
    assert decision.create == []


def test_decision_on_an_up_to_date_jobset_changes_nothing() -> None:
    js = jobset(replicated(replicas=2), startupPolicy={"startupPolicyOrder": "InOrder"})
    jobs = [child(js, index=index, active=1) for index in range(2)]
    js["status"] = decided(js, *jobs).status
    again = decided(js, *jobs)
    assert (again.status, again.events, again.create, again.patches, again.delete) == (js["status"], [], [], [], [])


def test_false_condition_is_not_added_and_new_reason_keeps_the_time() -> None:
    false = Condition("RestartingJobSet", False, "JobsReady", "m")
    assert false.apply_to([], now=NOW_TEXT) == []
    old = [condition("Failed", "A", "m")]
    new = Condition("Failed", True, "B", "m").apply_to(old, now=NOW_TEXT)
    assert new == [condition("Failed", "B", "m")]
    assert Condition("Failed", True, "B", "m").apply_to(new, now=NOW_TEXT) is new
    flipped = Condition("Failed", False, "B", "m").apply_to(new, now=NOW_TEXT)
    assert (flipped[0]["status"], flipped[0]["lastTransitionTime"]) == ("False", NOW_TEXT)


def test_conditions_of_an_in_order_start_exclude_each_other() -> None:
    progress = Condition("StartupPolicyInProgress", True, "P", "m").apply_to([], now=NOW_TEXT)
    done = Condition("StartupPolicyCompleted", True, "C", "m").apply_to(progress, now=NOW_TEXT)
    status = {"status": {"conditions": done}}
    assert conditions.is_true(status, "StartupPolicyCompleted")
    assert not conditions.is_true(status, "StartupPolicyInProgress")


def test_number_of_unfinished_jobs_is_limited() -> None:
    many = jobset(replicated("a", replicas=2**31 - 1))
    decision = decided(many)
    assert len(decision.create) == job_template.MOST_ACTIVE
    active = [child(many, "a", index) for index in range(job_template.MOST_ACTIVE - 1)]
    assert names(decided(many, *active).create) == [f"j-a-{job_template.MOST_ACTIVE - 1}"]
