"""Find, test and set conditions of a status, by the rules of apimachinery's ``meta.SetStatusCondition``.

Use these instead of writing ``status.conditions``: a condition's transition time changes only with its status
(https://pkg.go.dev/k8s.io/apimachinery/pkg/api/meta#SetStatusCondition).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jupyter_trainjob.api.resources import KubeObject

DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
"""The reason of a TrainJob's ``Failed`` condition once ``spec.activeDeadlineSeconds`` have passed."""


def get_condition(obj: KubeObject, type_: str) -> KubeObject | None:
    """Return the condition of type `type_` of an object, or None."""
    return find_condition((obj.get("status") or {}).get("conditions") or (), type_)


def find_condition(conditions: Sequence[KubeObject], type_: str) -> KubeObject | None:
    """Return the condition of type `type_` in a list, or None."""
    return next((condition for condition in conditions if condition["type"] == type_), None)


def is_true(obj: KubeObject, type_: str) -> bool:
    """Return whether the condition's status is True; unknown and absent are False."""
    condition = get_condition(obj, type_)
    return condition is not None and condition.get("status") == "True"


def set_condition(conditions: Sequence[KubeObject], new: KubeObject, now: str) -> list[KubeObject]:
    """Return `conditions` with `new` in place of the one of its type, or appended.

    ``lastTransitionTime`` is kept if the status stays the same; else it is that of `new`, or `now`.
    """
    old = find_condition(conditions, new["type"])
    same = old is not None and old.get("status") == new["status"]
    since = (old or {}).get("lastTransitionTime") if same else new.get("lastTransitionTime")
    whole = {**new, "lastTransitionTime": since or now}
    if old is None:
        return [*conditions, whole]
    return [whole if condition is old else condition for condition in conditions]
