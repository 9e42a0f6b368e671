"""The downward API: fields of a pod as text, for env variables and files."""

from __future__ import annotations

import json
import re

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent.waiting import Refused

_KEYED = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


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
    return "" if value is None else str(value)


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
