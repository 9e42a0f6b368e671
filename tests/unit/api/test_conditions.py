"""Conditions are set as by apimachinery's `SetStatusCondition`."""

from __future__ import annotations

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject

EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
READY: KubeObject = {
    "type": "Ready",
    "status": "True",
    "reason": "Up",
    "message": "it runs",
    "lastTransitionTime": EARLIER,
}
OTHER: KubeObject = {"type": "Other", "status": "False", "lastTransitionTime": EARLIER}


def test_new_condition_is_appended_with_the_current_time() -> None:
    updated = conditions.set_condition([OTHER], {"type": "Ready", "status": "True"}, NOW)
    assert updated == [OTHER, {"type": "Ready", "status": "True", "lastTransitionTime": NOW}]


def test_transition_time_is_kept_while_the_status_is_unchanged() -> None:
    (updated,) = conditions.set_condition([READY], {**READY, "message": "still", "lastTransitionTime": NOW}, NOW)
    assert (updated["lastTransitionTime"], updated["message"]) == (EARLIER, "still")


def test_changed_status_updates_the_transition_time_in_place() -> None:
    first, second = conditions.set_condition([READY, OTHER], {"type": "Ready", "status": "False"}, NOW)
    assert first == {"type": "Ready", "status": "False", "lastTransitionTime": NOW}
    assert second == OTHER


def test_transition_time_of_a_copied_condition_is_kept() -> None:
    copied = {"type": "Other", "status": "True", "lastTransitionTime": "2025-12-31T00:00:00Z"}
    assert conditions.set_condition([OTHER], copied, NOW) == [copied]


def test_set_condition_does_not_modify_its_argument() -> None:
    before = [dict(READY)]
    conditions.set_condition(before, {"type": "Ready", "status": "False"}, NOW)
    assert before == [READY]


def test_missing_condition_is_not_true() -> None:
    assert not conditions.is_true({}, "Ready")
    assert not conditions.is_true({"status": {"conditions": [OTHER]}}, "Other")
    assert conditions.is_true({"status": {"conditions": [OTHER, READY]}}, "Ready")
