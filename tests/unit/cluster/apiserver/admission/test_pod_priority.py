"""The priority of pods with and without a PriorityClass."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.apiserver.admission import pod_priority


def cls(name: str, value: int, **fields: Any) -> KubeObject:
    return {"metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority", **fields}


POD: KubeObject = {"metadata": {"name": "p"}, "spec": {}}


def test_pod_without_a_class_gets_the_default_class() -> None:
    classes = [cls("low", 1), cls("usual", 5, globalDefault=True, preemptionPolicy="Never")]
    wanted = {"priorityClassName": "usual", "priority": 5, "preemptionPolicy": "Never"}
    assert pod_priority.resolve_priority(POD, classes)["spec"] == wanted


def test_pod_with_a_class_keeps_it() -> None:
    classes = [cls("low", 1), cls("usual", 5, globalDefault=True)]
    resolved = pod_priority.resolve_priority({**POD, "spec": {"priorityClassName": "low"}}, classes)
    assert (resolved["spec"]["priorityClassName"], resolved["spec"]["priority"]) == ("low", 1)


def test_lower_of_two_default_classes_counts() -> None:
    classes = [cls("high", 9, globalDefault=True), cls("usual", 5, globalDefault=True)]
    assert pod_priority.resolve_priority(POD, classes)["spec"]["priorityClassName"] == "usual"


def test_second_default_class_is_rejected() -> None:
    classes = [cls("usual", 5, globalDefault=True)]
    with pytest.raises(errors.ApiError, match="PriorityClass usual is already marked as default"):
        pod_priority.check_single_default(cls("mine", 1, globalDefault=True), classes)
    pod_priority.check_single_default(cls("mine", 1), classes)
    pod_priority.check_single_default(cls("usual", 5, globalDefault=True), classes)


def test_priority_of_an_existing_pod_is_kept() -> None:
    old = {**POD, "spec": {"priority": 5, "preemptionPolicy": "Never"}}
    assert pod_priority.keep_priority(POD, old)["spec"] == old["spec"]
    assert pod_priority.keep_priority({**POD, "spec": {"priority": 7}}, old)["spec"]["priority"] == 7, "refused later"
