"""The downward API: pod fields and container resources as text, for variables and files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.kinds.downward_fields import ENV_FIELDS
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.start_errors import StartRefused

_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


def field_value(pod: KubeObject, path: str) -> str:
    """Return the value of a ``fieldPath`` as kubelet writes it; an absent label or annotation is empty."""
    if match := _KEYED.fullmatch(path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = sorted((pod["metadata"].get(path.partition(".")[2]) or {}).items())
        return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in pairs)
    if path not in ENV_FIELDS:
        supported = ", ".join(ENV_FIELDS)
        raise StartRefused("InvalidFieldPath", f'the field path "{path}" is not supported; supported: {supported}')
    if path in ("status.podIPs", "status.hostIPs"):
        path = path[:-1]
    value: object = pod
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if value is None and path == "spec.serviceAccountName":
        return "default"
    return "" if value is None else str(value)


def find_container(pod: KubeObject, name: str) -> KubeObject | None:
    """Return a container of a pod by its name."""
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    return next((container for container in containers if container["name"] == name), None)


def resource_field_value(container: KubeObject, reference: KubeObject, allocatable: Mapping[str, Any]) -> str:
    """Return the value of a ``resourceFieldRef`` in units of its divisor, rounded up.

    Without a limit it is the node's allocatable amount; without a request it is 0.
    """
    name = str(reference.get("resource") or "")
    kind, _, resource = name.partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise StartRefused(
            "InvalidFieldPath", f'the resource "{name}" is not supported; ask for limits.cpu, requests.memory …'
        )
    value = ((container.get("resources") or {}).get(kind) or {}).get(resource)
    if value is None:
        value = allocatable.get(resource, "0") if kind == "limits" else "0"
    divisor = quantity.parse_quantity(reference.get("divisor") or "1") or 1
    return str(math.ceil(quantity.parse_quantity(value) / divisor))
