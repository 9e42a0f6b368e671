"""A pod condition that the agent sets in addition to kubelet's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodCondition:
    """A condition of a pod's status whose ``status`` is ``True``."""

    type: str
    reason: str
    message: str
