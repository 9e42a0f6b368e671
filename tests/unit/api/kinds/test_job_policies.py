"""Validation of the policies of Jobs and JobSets."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.kinds import job_policies, jobset_rules
from jupyter_trainjob.api.resources import KubeObject

CODES = {"operator": "In", "values": [1]}


def failing(*rules: KubeObject, **more: Any) -> KubeObject:
    pod = {"containers": [{"name": "main"}]}
    return {"podFailurePolicy": {"rules": list(rules)}, "template": {"spec": pod}, **more}


def succeeding(*rules: KubeObject, mode: str = "Indexed") -> KubeObject:
    return {"successPolicy": {"rules": list(rules)}, "completionMode": mode, "completions": 2}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        pytest.param(failing({"action": "Count", "onExitCodes": CODES}), "", id="a rule on exit codes"),
        pytest.param(
            failing({"onExitCodes": CODES}),
            'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]',
            id="a rule without an action",
        ),
        pytest.param(failing({"action": "FailIndex", "onExitCodes": CODES}), "backoffLimitPerIndex", id="no indexes"),
        pytest.param(failing({"action": "Count"}), "specifying one of", id="a rule without criteria"),
        pytest.param(
            failing({"action": "Count", "onExitCodes": CODES, "onPodConditions": [{"type": "Ready"}]}),
            "specifying both",
            id="a rule on two things",
        ),
        pytest.param(
            failing({"action": "Count", "onExitCodes": {"operator": "In", "values": [0, 1]}}),
            "must not be 0",
            id="success is no failure",
        ),
        pytest.param(
            failing({"action": "Count", "onExitCodes": {"operator": "In", "values": [3, 1]}}),
            "[3,1]: must be ordered",
            id="codes out of order",
        ),
        pytest.param(
            failing({"action": "Count", "onExitCodes": {**CODES, "containerName": "other"}}),
            "must be one of the container",
            id="a missing container",
        ),
        pytest.param(
            failing({"action": "Count", "onExitCodes": CODES}, podReplacementPolicy="TerminatingOrFailed"),
            'supported values: "Failed"',
            id="a failure policy waits for the end of pods",
        ),
        pytest.param({"maxFailedIndexes": 1}, "when maxFailedIndexes is specified", id="no limit per index"),
        pytest.param(succeeding({"succeededCount": 1}), "", id="a number of successes"),
        pytest.param(
            succeeding({"succeededCount": 3}), "less than or equal to 2", id="more successes than completions"
        ),
        pytest.param(succeeding({}), "at least one of succeededCount", id="a success rule without criteria"),
        pytest.param(succeeding(), "at least one rules", id="no rules of success"),
        pytest.param(succeeding({"succeededCount": 1}, mode="NonIndexed"), "requires indexed", id="without indexes"),
    ],
)
def test_policies_of_a_job_are_validated(spec: KubeObject, problem: str) -> None:
    messages = [error.message for error in job_policies.validate(spec)]
    assert len(messages) == bool(problem)
    assert all(problem in message for message in messages)


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        pytest.param({"restartStrategy": "BlockingRecreate"}, "", id="to wait for all"),
        pytest.param({"restartStrategy": "InPlaceRestart"}, "use Recreate", id="to restart in place"),
        pytest.param({"rules": [{"name": "a", "action": "RestartJob"}]}, "use RestartJobSet", id="to restart one Job"),
        pytest.param({"rules": [{"name": "9", "action": "FailJobSet"}]}, "alphabetic", id="a rule with a wrong name"),
        pytest.param({"rules": [{"name": "a", "action": "FailJobSet"}] * 2}, "not unique", id="two rules of one name"),
    ],
)
def test_failure_policy_of_a_jobset_is_validated(policy: KubeObject, problem: str) -> None:
    whole = {"metadata": {"name": "set"}, "spec": {"replicatedJobs": [], "failurePolicy": policy}}
    messages = [error.message for error in jobset_rules.validate(whole)]
    assert len(messages) == bool(problem)
    assert all(problem in message for message in messages)
