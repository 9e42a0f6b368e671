"""Conditions of a status: find, ask, set. The rules are those of apimachinery's ``meta.SetStatusCondition``.

Reconcilers decide a condition and set it; clients ask. A condition's time of transition moves only when its status
does, and that is why nobody assigns into ``status.conditions`` by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_trainjob.api.resources import Object


def get(obj: Object, type_: str) -> Object | None:
    """Return the condition of that type, if the object has one."""
    return find((obj.get("status") or {}).get("conditions") or (), type_)


def find(conditions: Sequence[Object], type_: str) -> Object | None:
    """Return the condition of that type out of a list, or None."""
    return next((condition for condition in conditions if condition["type"] == type_), None)


def is_true(obj: Object, type_: str) -> bool:
    """Return whether the object says that it is so; unknown and absent are False."""
    condition = get(obj, type_)
    return condition is not None and condition.get("status") == "True"


def set(conditions: Sequence[Object], new: Object, now: str) -> list[Object]:  # noqa: A001 - read as conditions.set
    """Return `conditions` with `new` in the place of the one of its type, or at the end.

    ``lastTransitionTime`` is kept where the status stays the same; where it changes it is the one in `new`, else `now`.
    """
    old = find(conditions, new["type"])
    same = old is not None and old.get("status") == new["status"]
    since = (old or {}).get("lastTransitionTime") if same else new.get("lastTransitionTime")
    whole = {**new, "lastTransitionTime": since or now}
    if old is None:
        return [*conditions, whole]
    return [whole if condition is old else condition for condition in conditions]
