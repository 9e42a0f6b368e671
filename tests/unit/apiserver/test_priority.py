"""Which priority a pod gets where a class is the default of the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.apiserver import priority


def cls(name: str, value: int, **fields: Any) -> Object:
    return {"metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority", **fields}


POD: Object = {"metadata": {"name": "p"}, "spec": {}}


def test_a_pod_without_a_class_gets_the_default() -> None:
    classes = [cls("low", 1), cls("usual", 5, globalDefault=True, preemptionPolicy="Never")]
    wanted = {"priorityClassName": "usual", "priority": 5, "preemptionPolicy": "Never"}
    assert priority.of_new_pod(POD, classes)["spec"] == wanted


def test_a_pod_with_a_class_does_not() -> None:
    classes = [cls("low", 1), cls("usual", 5, globalDefault=True)]
    made = priority.of_new_pod({**POD, "spec": {"priorityClassName": "low"}}, classes)
    assert (made["spec"]["priorityClassName"], made["spec"]["priority"]) == ("low", 1)


def test_of_two_defaults_the_lower_counts() -> None:
    classes = [cls("high", 9, globalDefault=True), cls("usual", 5, globalDefault=True)]
    assert priority.of_new_pod(POD, classes)["spec"]["priorityClassName"] == "usual"


def test_there_is_one_default() -> None:
    classes = [cls("usual", 5, globalDefault=True)]
    with pytest.raises(errors.ApiError, match="PriorityClass usual is already marked as default"):
        priority.check_default(cls("mine", 1, globalDefault=True), classes)
    priority.check_default(cls("mine", 1), classes)
    priority.check_default(cls("usual", 5, globalDefault=True), classes)


def test_what_a_pod_was_given_once_it_keeps() -> None:
    old = {**POD, "spec": {"priority": 5, "preemptionPolicy": "Never"}}
    assert priority.of_known_pod(POD, old)["spec"] == old["spec"]
    assert priority.of_known_pod({**POD, "spec": {"priority": 7}}, old)["spec"]["priority"] == 7, "refused later"
