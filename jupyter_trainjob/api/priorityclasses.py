"""PriorityClasses as an API server completes and checks them, and the two that every cluster has.

The embedded API server calls `complete` and `check` for each one that is written, and creates `SYSTEM` when it starts.
What a class means for a pod is decided where pods come in, in ``cluster/apiserver/priority.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jupyter_trainjob.api import pods, schema
from jupyter_trainjob.api.resources import PRIORITYCLASSES, Object
from jupyter_trainjob.api.schema import FieldError

PREEMPTS: Final = "PreemptLowerPriority"
PREEMPTS_NEVER: Final = "Never"
HIGHEST: Final = 1_000_000_000
"""The highest priority that users may give."""
_SYSTEM_PREFIX: Final = "system-"


def _system(name: str, value: int, description: str) -> Object:
    named = {"apiVersion": PRIORITYCLASSES.api_version, "kind": PRIORITYCLASSES.kind, "metadata": {"name": name}}
    return {**named, "value": value, "description": description}


SYSTEM: Final = (
    _system("system-cluster-critical", 2 * HIGHEST, "For pods that the whole cluster needs."),
    _system("system-node-critical", 2 * HIGHEST + 1000, "For pods that their node needs."),
)
"""The classes that are always there."""

SYSTEM_NAMES: Final = tuple(str(each["metadata"]["name"]) for each in SYSTEM)


def complete(new: Object) -> None:
    """Fill in, in place, the defaults of a PriorityClass."""
    new.setdefault("value", 0)
    new.setdefault("preemptionPolicy", PREEMPTS)
    if not new.get("globalDefault"):
        new.pop("globalDefault", None)


def check(new: Object, old: Object | None = None) -> Iterator[FieldError]:
    """Yield what is wrong with a PriorityClass; `old` is what it replaces."""
    name, value = str(new["metadata"].get("name") or ""), new["value"]
    if name.startswith(_SYSTEM_PREFIX):
        if problem := _not_the_systems(new):
            reserved = f"priority class names with '{_SYSTEM_PREFIX}' prefix are reserved for system use only"
            yield FieldError("metadata.name", schema.FORBIDDEN, f"Forbidden: {reserved}. error: {problem}")
    elif value > HIGHEST:
        message = f"Forbidden: maximum allowed value of a user defined priority is {HIGHEST}"
        yield FieldError("value", schema.FORBIDDEN, message)
    policy = new["preemptionPolicy"]
    if policy not in {PREEMPTS, PREEMPTS_NEVER}:
        yield pods.unsupported("preemptionPolicy", policy, (PREEMPTS, PREEMPTS_NEVER))
    if old is not None and value != old.get("value"):
        yield FieldError("value", schema.FORBIDDEN, "Forbidden: may not be changed in an update.")
    if old is not None and policy != old.get("preemptionPolicy"):
        message = f'Invalid value: "{policy}": field is immutable'
        yield FieldError("preemptionPolicy", schema.INVALID, message)


def _not_the_systems(new: Object) -> str:
    """Return why a class of a system's name is not the system's; ``IsKnownSystemPriorityClass``."""
    name = new["metadata"]["name"]
    known = next((each for each in SYSTEM if each["metadata"]["name"] == name), None)
    if known is None:
        return f"{name} is not a known system priority class"
    if known["value"] != new["value"]:
        return f"value of {name} PriorityClass must be {known['value']}"
    return f"globalDefault of {name} PriorityClass must be false" if new.get("globalDefault") else ""
