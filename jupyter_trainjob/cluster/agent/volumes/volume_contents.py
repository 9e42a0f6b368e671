"""The files that Secrets, ConfigMaps and the downward API put into a volume.

In: a volume's source and a function to find objects. Out: files by path in the volume. A missing object or key raises
`MissingReference`; what no node can provide, `StartRefused`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, KubeObject, Resource
from jupyter_trainjob.cluster.agent.start_errors import FindObject, MissingReference, StartRefused
from jupyter_trainjob.cluster.agent.volumes.downward_api import field_value, find_container, resource_field_value

KINDS = ("secret", "configMap", "downwardAPI", "projected")
DEFAULT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume."""

    data: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class PodContext:
    """The context of a volume or variable: the pod, a function to find objects, and the node's allocatable amounts."""

    pod: KubeObject
    find_object: FindObject
    allocatable: Mapping[str, Any]


def volume_files(context: PodContext, volume: str, kind: str, source: KubeObject) -> dict[str, File]:
    """Return the files of a volume of one of `KINDS`."""
    mode = int(source.get("defaultMode", DEFAULT_MODE))
    if kind == "projected":
        result: dict[str, File] = {}
        for part in source.get("sources") or ():
            for name, content in part.items():
                if name not in KINDS[:-1]:
                    raise StartRefused(
                        "UnsupportedVolume", f'volume "{volume}" projects a {name}, which is not supported'
                    )
                result |= volume_files(context, volume, name, {"defaultMode": mode, **content})
        return result
    if kind == "downwardAPI":
        return {
            item["path"]: File(_value(context, item).encode(), int(item.get("mode", mode)))
            for item in source.get("items") or ()
        }
    return _keys(context, volume, SECRETS if kind == "secret" else CONFIGMAPS, source, mode)


def referenced_objects(pod: KubeObject) -> set[tuple[Resource, str]]:
    """Return kind and name of the Secrets and ConfigMaps in the volumes of a pod."""
    references = set()
    for volume in pod["spec"].get("volumes") or ():
        for source in [volume, *((volume.get("projected") or {}).get("sources") or ())]:
            if "secret" in source:
                references.add((SECRETS, str(source["secret"].get("secretName") or source["secret"].get("name") or "")))
            if "configMap" in source:
                references.add((CONFIGMAPS, str(source["configMap"].get("name") or "")))
    return references


def object_data(obj: KubeObject) -> dict[str, bytes]:
    """Return the keys of a Secret or ConfigMap."""
    if obj.get("kind") == SECRETS.kind:
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    text = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def _value(context: PodContext, item: KubeObject) -> str:
    if "fieldRef" in item:
        return field_value(context.pod, str(item["fieldRef"]["fieldPath"]))
    reference = item.get("resourceFieldRef") or {}
    container = find_container(context.pod, name := str(reference.get("containerName") or ""))
    if container is None:
        raise StartRefused(
            "InvalidVolume", f'"{item["path"]}" asks for container "{name}", which the pod does not have'
        )
    return resource_field_value(container, reference, context.allocatable)


def _keys(context: PodContext, volume: str, resource: Resource, source: KubeObject, mode: int) -> dict[str, File]:
    name = source.get("secretName") or source.get("name") or ""
    kind, optional = resource.singular, bool(source.get("optional"))
    obj = context.find_object(resource, name)
    if obj is None:
        if optional:
            return {}
        raise MissingReference(
            "FailedMount",
            f'MountVolume.SetUp failed for volume "{volume}" : {kind} "{name}" not found',
            resource=resource,
            name=name,
        )
    data = object_data(obj)
    if not source.get("items"):
        return {key: File(value, mode) for key, value in data.items()}
    files_ = {}
    for item in source["items"]:
        if item["key"] in data:
            files_[item["path"]] = File(data[item["key"]], int(item.get("mode", mode)))
        elif not optional:
            raise MissingReference(
                "FailedMount",
                f'MountVolume.SetUp failed for volume "{volume}" : {kind} "{name}" has no key "{item["key"]}"',
                resource=resource,
                name=name,
            )
    return files_
