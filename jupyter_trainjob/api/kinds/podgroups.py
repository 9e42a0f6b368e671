"""PodGroups, which are scheduled as a whole, as in scheduler-plugins' CustomResourceDefinition.

The controller's CoScheduling plugin creates one for each TrainJob whose runtime requests it; pods refer to it by a
label, and the embedded cluster's scheduler places them together. `api.generate` writes the definition from this module,
since there is no Python model of it.
"""

from __future__ import annotations

from typing import Any, Final

LABEL: Final = "scheduling.x-k8s.io/pod-group"
"""By which a pod names its group."""

_QUANTITY: Final = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
_COUNT: Final = {"type": "integer", "format": "int32"}

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "properties": {
                "minMember": {**_COUNT, "minimum": 1},
                "minResources": {
                    "type": "object",
                    "additionalProperties": {
                        "anyOf": [{"type": "integer"}, {"type": "string"}],
                        "pattern": _QUANTITY,
                        "x-kubernetes-int-or-string": True,
                    },
                },
                "scheduleTimeoutSeconds": _COUNT,
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "phase": {"type": "string"},
                "occupiedBy": {"type": "string"},
                "running": _COUNT,
                "succeeded": _COUNT,
                "failed": _COUNT,
                "scheduleStartTime": {"type": "string", "format": "date-time"},
            },
        },
    },
}

COLUMNS: Final = [
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "MinMember", "type": "integer", "jsonPath": ".spec.minMember"},
    {"name": "Running", "type": "integer", "jsonPath": ".status.running"},
    {"name": "Succeeded", "type": "integer", "jsonPath": ".status.succeeded"},
    {"name": "Failed", "type": "integer", "jsonPath": ".status.failed"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]
