"""The downward API: fields of a pod, and what its containers may use, as text, for env variables and files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent.waiting import Refused

_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


def field(pod: Object, path: str) -> str:
    """Return the value of a ``fieldPath`` as kubelet writes it; an absent label or annotation is empty."""
    if match := _KEYED.fullmatch(path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = sorted((pod["metadata"].get(path.partition(".")[2]) or {}).items())
        return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in pairs)
    if path not in _FIELDS:
        raise Refused("InvalidFieldPath", f'the field path "{path}" is not supported; supported: {", ".join(_FIELDS)}')
    if path in ("status.podIPs", "status.hostIPs"):
        path = path[:-1]
    value: object = pod
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if value is None and path == "spec.serviceAccountName":
        return "default"
    return "" if value is None else str(value)


def container_named(pod: Object, name: str) -> Object | None:
    """Return a container of a pod by its name."""
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    return next((container for container in containers if container["name"] == name), None)


def amount(container: Object, reference: Object, allocatable: Mapping[str, Any]) -> str:
    """Return what a ``resourceFieldRef`` asks for, in whole units of its divisor, rounded up.

    A container without a limit may use what the node has; one without a request asks for nothing.
    """
    name = str(reference.get("resource") or "")
    kind, _, resource = name.partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise Refused(
            "InvalidFieldPath", f'the resource "{name}" is not supported; ask for limits.cpu, requests.memory …'
        )
    asked = ((container.get("resources") or {}).get(kind) or {}).get(resource)
    if asked is None:
        asked = allocatable.get(resource, "0") if kind == "limits" else "0"
    divisor = quantity.parse(reference.get("divisor") or "1") or 1
    return str(math.ceil(quantity.parse(asked) / divisor))


_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
