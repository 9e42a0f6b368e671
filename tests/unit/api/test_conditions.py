"""Conditions are set as apimachinery sets them."""

from __future__ import annotations

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object

EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
READY: Object = {
    "type": "Ready",
    "status": "True",
    "reason": "Up",
    "message": "it runs",
    "lastTransitionTime": EARLIER,
}
OTHER: Object = {"type": "Other", "status": "False", "lastTransitionTime": EARLIER}


def test_a_new_condition_comes_last_with_the_time() -> None:
    found = conditions.set([OTHER], {"type": "Ready", "status": "True"}, NOW)
    assert found == [OTHER, {"type": "Ready", "status": "True", "lastTransitionTime": NOW}]


def test_the_time_stays_while_the_status_does() -> None:
    (found,) = conditions.set([READY], {**READY, "message": "still", "lastTransitionTime": NOW}, NOW)
    assert (found["lastTransitionTime"], found["message"]) == (EARLIER, "still")


def test_the_time_moves_with_the_status_and_the_place_stays() -> None:
    first, second = conditions.set([READY, OTHER], {"type": "Ready", "status": "False"}, NOW)
    assert first == {"type": "Ready", "status": "False", "lastTransitionTime": NOW}
    assert second == OTHER


def test_the_time_of_a_copied_condition_is_kept_when_the_status_changes() -> None:
    copied = {"type": "Other", "status": "True", "lastTransitionTime": "2025-12-31T00:00:00Z"}
    assert conditions.set([OTHER], copied, NOW) == [copied]


def test_setting_changes_nothing_that_was_given() -> None:
    given = [dict(READY)]
    conditions.set(given, {"type": "Ready", "status": "False"}, NOW)
    assert given == [READY]


def test_what_an_object_does_not_say_is_not_true() -> None:
    assert not conditions.is_true({}, "Ready")
    assert not conditions.is_true({"status": {"conditions": [OTHER]}}, "Other")
    assert conditions.is_true({"status": {"conditions": [OTHER, READY]}}, "Ready")
