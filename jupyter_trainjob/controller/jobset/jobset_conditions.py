"""Conditions of a JobSet, and the events that report their changes.

JobSet's rules differ from the usual ones in two points: a condition that was never true is not added as false, and the
two conditions of an in-order start exclude each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject

COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
SUSPENDED: Final = "Suspended"
RESTARTING: Final = "RestartingJobSet"
STARTUP_IN_PROGRESS: Final = "StartupPolicyInProgress"
STARTUP_COMPLETED: Final = "StartupPolicyCompleted"

_EXCLUSIVE: Final = {STARTUP_IN_PROGRESS: STARTUP_COMPLETED, STARTUP_COMPLETED: STARTUP_IN_PROGRESS}
_SHOWN = ("status", "reason", "message")


@dataclass(frozen=True)
class Condition:
    """A condition to be set."""

    type: str
    true: bool
    reason: str
    message: str

    def apply_to(self, existing: list[KubeObject], *, now: str) -> list[KubeObject]:
        """Return the conditions with this one set; the same list if that changes nothing."""
        old = conditions.find_condition(existing, self.type)
        new = {
            "type": self.type,
            "status": "True" if self.true else "False",
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": now,
        }
        if old is None:
            if not self.true:
                return existing
            return [*self._excluding(existing), new]
        if all(old.get(field) == new[field] for field in _SHOWN):
            return existing
        if old["status"] == new["status"]:
            new["lastTransitionTime"] = old.get("lastTransitionTime", now)
        return [new if condition is old else condition for condition in self._excluding(existing)]

    def _excluding(self, existing: list[KubeObject]) -> list[KubeObject]:
        other = _EXCLUSIVE.get(self.type)
        if not self.true or other is None:
            return existing
        return [{**condition, "status": "False"} if condition["type"] == other else condition for condition in existing]


def is_finished(jobset: KubeObject) -> bool:
    """Return whether a JobSet has completed or failed."""
    return conditions.is_true(jobset, COMPLETED) or conditions.is_true(jobset, FAILED)
