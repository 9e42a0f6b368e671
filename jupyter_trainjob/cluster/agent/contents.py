"""What Secrets, ConfigMaps and the pod's own fields put into a volume: the files, not yet written.

In: a volume's source and a look-up of objects. Out: files by their path in the volume. A missing object, or a key that
it lacks, raises `NotYet`; what no node could give, `Refused`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, Object, Resource
from jupyter_trainjob.cluster.agent.fields import amount, container_named, field
from jupyter_trainjob.cluster.agent.waiting import LookUp, NotYet, Refused

KINDS = ("secret", "configMap", "downwardAPI", "projected")
DEFAULT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume."""

    data: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: a pod on a node that can give it so much."""

    pod: Object
    look_up: LookUp
    allocatable: Mapping[str, Any]


def files(asker: Asker, volume: str, kind: str, source: Object) -> dict[str, File]:
    """Return the files of a volume of one of `KINDS`."""
    mode = int(source.get("defaultMode", DEFAULT_MODE))
    if kind == "projected":
        found: dict[str, File] = {}
        for part in source.get("sources") or ():
            for name, content in part.items():
                if name not in KINDS[:-1]:
                    raise Refused("UnsupportedVolume", f'volume "{volume}" projects a {name}, which is not supported')
                found |= files(asker, volume, name, {"defaultMode": mode, **content})
        return found
    if kind == "downwardAPI":
        return {
            item["path"]: File(_value(asker, item).encode(), int(item.get("mode", mode)))
            for item in source.get("items") or ()
        }
    return _keys(asker, volume, SECRETS if kind == "secret" else CONFIGMAPS, source, mode)


def objects(pod: Object) -> set[tuple[Resource, str]]:
    """Return the Secrets and ConfigMaps that the volumes of a pod show."""
    found = set()
    for volume in pod["spec"].get("volumes") or ():
        for source in [volume, *((volume.get("projected") or {}).get("sources") or ())]:
            if "secret" in source:
                found.add((SECRETS, str(source["secret"].get("secretName") or source["secret"].get("name") or "")))
            if "configMap" in source:
                found.add((CONFIGMAPS, str(source["configMap"].get("name") or "")))
    return found


def data_of(obj: Object) -> dict[str, bytes]:
    """Return the keys of a Secret or ConfigMap."""
    if obj.get("kind") == SECRETS.kind:
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    text = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def _value(asker: Asker, item: Object) -> str:
    if "fieldRef" in item:
        return field(asker.pod, str(item["fieldRef"]["fieldPath"]))
    reference = item.get("resourceFieldRef") or {}
    container = container_named(asker.pod, name := str(reference.get("containerName") or ""))
    if container is None:
        raise Refused("InvalidVolume", f'"{item["path"]}" asks for container "{name}", which the pod does not have')
    return amount(container, reference, asker.allocatable)


def _keys(asker: Asker, volume: str, resource: Resource, source: Object, mode: int) -> dict[str, File]:
    name = source.get("secretName") or source.get("name") or ""
    what, optional = resource.singular, bool(source.get("optional"))
    obj = asker.look_up(resource, name)
    if obj is None:
        if optional:
            return {}
        raise NotYet(
            "FailedMount",
            f'MountVolume.SetUp failed for volume "{volume}" : {what} "{name}" not found',
            resource=resource,
            name=name,
        )
    data = data_of(obj)
    if not source.get("items"):
        return {key: File(value, mode) for key, value in data.items()}
    found = {}
    for item in source["items"]:
        if item["key"] in data:
            found[item["path"]] = File(data[item["key"]], int(item.get("mode", mode)))
        elif not optional:
            raise NotYet(
                "FailedMount",
                f'MountVolume.SetUp failed for volume "{volume}" : {what} "{name}" has no key "{item["key"]}"',
                resource=resource,
                name=name,
            )
    return found
