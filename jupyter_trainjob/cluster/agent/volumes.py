"""A pod's volumes as folders: what kubelet's volume plugins do.

In: the pod, a look-up of Secrets and ConfigMaps, the folder that volumes may use. Out: for each volume the path that
its mounts show. Contents are written once, before the program starts. A missing Secret or ConfigMap raises `NotYet`,
a volume that this node does not know `Refused`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, Object, Resource
from jupyter_trainjob.cluster.agent.fields import field
from jupyter_trainjob.cluster.agent.waiting import LookUp, NotYet, Refused

DEFAULT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Mount:
    """One path of the host, and where the container sees it."""

    source: str
    target: str
    readonly: bool = False

    def plan(self) -> Object:
        """Return it as the shim reads it."""
        return {"source": self.source, "target": self.target, "readonly": self.readonly}


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume."""

    data: bytes
    mode: int


def lay_out(pod: Object, folder: Path, look_up: LookUp) -> dict[str, Path]:
    """Make every volume of `pod` below `folder` and return its path by name."""
    return {volume["name"]: _lay_out(pod, volume, folder, look_up) for volume in pod["spec"].get("volumes") or ()}


def mounts(container: Object, sources: Mapping[str, Path]) -> list[Mount]:
    """Return the mounts of one container."""
    found = []
    for mount in container.get("volumeMounts") or ():
        if mount.get("subPathExpr"):
            raise Refused("UnsupportedVolume", f'volume "{mount["name"]}": subPathExpr is not supported; use subPath')
        if mount["name"] not in sources:
            raise Refused(
                "UnknownVolume", f'the container mounts volume "{mount["name"]}", which the pod does not have'
            )
        source = sources[mount["name"]]
        if sub := mount.get("subPath"):
            source = source / _relative(sub)
            if not source.exists():
                source.mkdir(parents=True)
        target = "/" + str(mount["mountPath"]).strip("/")
        found.append(Mount(str(source), target, bool(mount.get("readOnly"))))
    return found


def _lay_out(pod: Object, volume: Object, folder: Path, look_up: LookUp) -> Path:
    path = folder / str(volume["name"])
    if "hostPath" in volume:
        return _host_path(volume["name"], volume["hostPath"])
    if "emptyDir" in volume:
        path.mkdir(parents=True, exist_ok=True)
        return path
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if kind in volume:
            _write(path, _files(pod, volume["name"], kind, volume[kind] or {}, look_up))
            return path
    kinds = ", ".join(key for key in volume if key != "name") or "nothing"
    raise Refused(
        "UnsupportedVolume",
        f'volume "{volume["name"]}" is a {kinds}; the embedded cluster knows secret, configMap, downwardAPI, '
        "projected, emptyDir and hostPath",
    )


def _files(pod: Object, volume: str, kind: str, source: Object, look_up: LookUp) -> dict[str, File]:
    mode = int(source.get("defaultMode", DEFAULT_MODE))
    if kind == "projected":
        found: dict[str, File] = {}
        for part in source.get("sources") or ():
            for name, content in part.items():
                if name not in ("secret", "configMap", "downwardAPI"):
                    raise Refused("UnsupportedVolume", f'volume "{volume}" projects a {name}, which is not supported')
                found |= _files(pod, volume, name, {"defaultMode": mode, **content}, look_up)
        return found
    if kind == "downwardAPI":
        return {
            item["path"]: File(field(pod, _field_path(volume, item)).encode(), int(item.get("mode", mode)))
            for item in source.get("items") or ()
        }
    resource = SECRETS if kind == "secret" else CONFIGMAPS
    return _keys(volume, resource, source, mode, look_up)


def _keys(volume: str, resource: Resource, source: Object, mode: int, look_up: LookUp) -> dict[str, File]:
    name = source.get("secretName") or source.get("name") or ""
    what, optional = resource.singular, bool(source.get("optional"))
    obj = look_up(resource, name)
    if obj is None:
        if optional:
            return {}
        raise NotYet(
            "FailedMount",
            f'MountVolume.SetUp failed for volume "{volume}" : {what} "{name}" not found',
            resource=resource,
            name=name,
        )
    data = content(obj)
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


def content(obj: Object) -> dict[str, bytes]:
    """Return the keys of a Secret or ConfigMap."""
    if obj.get("kind") == SECRETS.kind:
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    text = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def _field_path(volume: str, item: Object) -> str:
    if "fieldRef" not in item:
        raise Refused("UnsupportedVolume", f'volume "{volume}": only fieldRef is supported in a downwardAPI')
    return str(item["fieldRef"]["fieldPath"])


def _write(path: Path, files: Mapping[str, File]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        target = path / _relative(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(file.mode)


def _relative(path: str) -> Path:
    relative = Path(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise Refused("InvalidPath", f'"{path}" must be a relative path without ".."')
    return relative


def _host_path(volume: str, source: Any) -> Path:
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch()
    right = {"Directory": path.is_dir, "DirectoryOrCreate": path.is_dir, "File": path.is_file}
    if not right.get(kind, path.exists)():
        raise Refused("FailedMount", f'volume "{volume}": hostPath "{path}" is not a {kind or "file or folder here"}')
    return path
