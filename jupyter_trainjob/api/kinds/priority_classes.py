"""Defaults and validation of PriorityClasses, and the two system classes of every cluster.

The embedded API server calls `set_defaults` and `validate` for each written class, and creates `SYSTEM` at its start.
``cluster/apiserver/admission/pod_priority.py`` sets the priority of pods.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jupyter_trainjob.api.kinds import pods
from jupyter_trainjob.api.resources import PRIORITYCLASSES, KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError

PREEMPTS: Final = "PreemptLowerPriority"
PREEMPTS_NEVER: Final = "Never"
HIGHEST: Final = 1_000_000_000
"""The highest priority that users may give."""
_SYSTEM_PREFIX: Final = "system-"


def _system(name: str, value: int, description: str) -> KubeObject:
    named = {"apiVersion": PRIORITYCLASSES.api_version, "kind": PRIORITYCLASSES.kind, "metadata": {"name": name}}
    return {**named, "value": value, "description": description}


SYSTEM: Final = (
    _system("system-cluster-critical", 2 * HIGHEST, "For pods that the whole cluster needs."),
    _system("system-node-critical", 2 * HIGHEST + 1000, "For pods that their node needs."),
)
"""The classes that are always there."""

SYSTEM_NAMES: Final = tuple(str(priority_class["metadata"]["name"]) for priority_class in SYSTEM)


def set_defaults(new: KubeObject) -> None:
    """Set, in place, the defaults of a PriorityClass."""
    new.setdefault("value", 0)
    new.setdefault("preemptionPolicy", PREEMPTS)
    if not new.get("globalDefault"):
        new.pop("globalDefault", None)


def validate(new: KubeObject, old: KubeObject | None = None) -> Iterator[FieldError]:
    """Yield the errors in a PriorityClass; `old` is the class that it replaces."""
    name, value = str(new["metadata"].get("name") or ""), new["value"]
    if name.startswith(_SYSTEM_PREFIX):
        if problem := _system_name_problem(new):
            reserved = f"priority class names with '{_SYSTEM_PREFIX}' prefix are reserved for system use only"
            yield FieldError("metadata.name", schema.FORBIDDEN, f"Forbidden: {reserved}. error: {problem}")
    elif value > HIGHEST:
        message = f"Forbidden: maximum allowed value of a user defined priority is {HIGHEST}"
        yield FieldError("value", schema.FORBIDDEN, message)
    policy = new["preemptionPolicy"]
    if policy not in {PREEMPTS, PREEMPTS_NEVER}:
        yield pods.unsupported_error("preemptionPolicy", policy, (PREEMPTS, PREEMPTS_NEVER))
    if old is not None and value != old.get("value"):
        yield FieldError("value", schema.FORBIDDEN, "Forbidden: may not be changed in an update.")
    if old is not None and policy != old.get("preemptionPolicy"):
        message = f'Invalid value: "{policy}": field is immutable'
        yield FieldError("preemptionPolicy", schema.INVALID, message)


def _system_name_problem(new: KubeObject) -> str:
    """Return why a class with a reserved name is invalid (``IsKnownSystemPriorityClass``)."""
    name = new["metadata"]["name"]
    system_class = next(
        (priority_class for priority_class in SYSTEM if priority_class["metadata"]["name"] == name), None
    )
    if system_class is None:
        return f"{name} is not a known system priority class"
    if system_class["value"] != new["value"]:
        return f"value of {name} PriorityClass must be {system_class['value']}"
    return f"globalDefault of {name} PriorityClass must be false" if new.get("globalDefault") else ""
