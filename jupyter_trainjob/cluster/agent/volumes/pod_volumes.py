"""A pod's volumes as folders: what kubelet's volume plugins do.

In: the pod, and the node's folders for volumes (`VolumeFolders`). Out: the path of each volume, then the mounts of each
container. A missing object raises `MissingReference`, an unsupported volume `StartRefused`. All containers of a pod
share the folders; volumes in memory and claims are outside of the pod's folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS, KubeObject
from jupyter_trainjob.cluster.agent.start_errors import MissingReference, StartRefused
from jupyter_trainjob.cluster.agent.variable_expansion import expand_variables, unknown_names
from jupyter_trainjob.cluster.agent.volumes import atomic_writer, volume_contents
from jupyter_trainjob.cluster.agent.volumes.volume_contents import PodContext

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the file system that lies in memory
SUPPORTED_KINDS = "secret, configMap, downwardAPI, projected, emptyDir, persistentVolumeClaim, ephemeral and hostPath"


@dataclass(frozen=True, slots=True)
class VolumeFolders:
    """The folders of volumes on a node."""

    pod: Path
    """The folder of this pod's volumes."""
    claims: Path
    """The parent folder of claims' volumes."""
    memory: Path = SHARED_MEMORY


@dataclass(frozen=True, slots=True)
class Source:
    """The path of a volume on this computer."""

    path: Path
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A path of the host and its mount point in the container."""

    source: str
    target: str
    readonly: bool = False

    def plan(self) -> KubeObject:
        """Return the mount for the shim's document."""
        return {"source": self.source, "target": self.target, "readonly": self.readonly}


def create_volumes(context: PodContext, folders: VolumeFolders) -> dict[str, Source]:
    """Create the volumes of a pod; return them by name."""
    return {
        str(volume["name"]): _create_volume(context, volume, folders)
        for volume in context.pod["spec"].get("volumes") or ()
    }


def update_volumes(context: PodContext, folders: VolumeFolders) -> bool:
    """Update the volumes that contain Secrets, ConfigMaps and the like; return whether any has changed.

    A volume whose object was deleted, or lacks a key, is not changed.
    """
    changed = False
    for volume in context.pod["spec"].get("volumes") or ():
        for kind in volume_contents.KINDS:
            with contextlib.suppress(MissingReference):
                if kind in volume and (folders.pod / volume["name"]).is_dir():
                    new_files = volume_contents.volume_files(context, volume["name"], kind, volume[kind] or {})
                    changed |= atomic_writer.write_files(folders.pod / volume["name"], new_files)
    return changed


def container_mounts(container: KubeObject, sources: Mapping[str, Source], env: Mapping[str, str]) -> list[Mount]:
    """Return the mounts of a container; `env` is for ``subPathExpr``."""
    result = []
    for mount in container.get("volumeMounts") or ():
        source = sources.get(mount["name"])
        if source is None:
            raise StartRefused(
                "UnknownVolume", f'the container mounts volume "{mount["name"]}", which the pod does not have'
            )
        path = _sub_path(source, mount, env)
        target = "/" + str(mount["mountPath"]).strip("/")
        result.append(Mount(str(path), target, source.readonly or bool(mount.get("readOnly"))))
    return result


def remove_memory_volumes(folder: Path, memory: Path = SHARED_MEMORY) -> None:
    """Remove the in-memory volumes that are linked from `folder`."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_symlink() and (target := entry.readlink()).is_relative_to(memory):
            shutil.rmtree(target, ignore_errors=True)


def _create_volume(context: PodContext, volume: KubeObject, folders: VolumeFolders) -> Source:
    name = str(volume["name"])
    path = folders.pod / name
    for kind in volume_contents.KINDS:
        if kind in volume:
            atomic_writer.write_files(path, volume_contents.volume_files(context, name, kind, volume[kind] or {}))
            return Source(path, readonly=True)
    if "hostPath" in volume:
        return Source(_host_path(name, volume["hostPath"]))
    if "persistentVolumeClaim" in volume:
        return _claim(context, name, volume["persistentVolumeClaim"], folders)
    if (volume.get("emptyDir") or {}).get("medium") == "Memory" and folders.memory.is_dir():
        return Source(_in_memory(context, path, folders))
    if "emptyDir" in volume or "ephemeral" in volume:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
        return Source(path)
    kinds = ", ".join(key for key in volume if key != "name") or "nothing"
    raise StartRefused(
        "UnsupportedVolume", f'volume "{name}" is a {kinds}; the embedded cluster knows {SUPPORTED_KINDS}'
    )


def _in_memory(context: PodContext, path: Path, folders: VolumeFolders) -> Path:
    """Create a folder in memory, and a link to it for `remove_memory_volumes`."""
    target = folders.memory / f"trainjob-{os.geteuid()}-{context.pod['metadata']['uid']}-{path.name}"
    target.mkdir(mode=0o700, exist_ok=True)
    if target.is_symlink() or target.stat().st_uid != os.geteuid():
        raise StartRefused("FailedMount", f'volume "{path.name}": {target} belongs to another user')
    if not path.is_symlink():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return target


def _claim(context: PodContext, volume: str, source: KubeObject, folders: VolumeFolders) -> Source:
    name = str(source["claimName"])
    claim = context.find_object(PERSISTENTVOLUMECLAIMS, name)
    problem = ""
    if claim is None:
        problem = f'persistentvolumeclaim "{name}" not found'
    elif "deletionTimestamp" in claim["metadata"]:
        problem = f'persistentvolumeclaim "{name}" is being deleted'
    if claim is None or problem:
        raise MissingReference("FailedMount", problem, resource=PERSISTENTVOLUMECLAIMS, name=name)
    metadata = claim["metadata"]
    if claim["spec"].get("volumeMode") == "Block":
        raise StartRefused("UnsupportedVolume", f'volume "{volume}": there are no block devices; claim a Filesystem')
    path = folders.claims / metadata["namespace"] / metadata["uid"]
    path.mkdir(parents=True, exist_ok=True)
    return Source(path, bool(source.get("readOnly")))


def _sub_path(source: Source, mount: KubeObject, env: Mapping[str, str]) -> Path:
    """Return the path of a mount's subPath; creates a folder if it does not exist."""
    sub = str(mount.get("subPath") or "")
    if expression := mount.get("subPathExpr"):
        sub = _expand_sub_path(mount, str(expression), env)
    if not sub:
        return source.path
    root = source.path.resolve()
    path = (root / atomic_writer.relative_path(sub)).resolve()
    if not path.is_relative_to(root):
        raise StartRefused("InvalidPath", f'subPath "{sub}" of volume "{mount["name"]}" leads out of the volume')
    if not path.exists():
        path.mkdir(parents=True)
    return path


def _expand_sub_path(mount: KubeObject, expression: str, env: Mapping[str, str]) -> str:
    if missing := unknown_names(expression, env):
        message = f'volume "{mount["name"]}": subPathExpr "{expression}": missing value for {", ".join(missing)}'
        raise StartRefused("CreateContainerConfigError", message)
    return expand_variables(expression, env)


def _host_path(volume: str, source: Any) -> Path:
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if kind in _TYPE_CHECKS and not _TYPE_CHECKS[kind][0](path):
        raise StartRefused(
            "FailedMount", f'volume "{volume}": hostPath type check failed: {path} is not {_TYPE_CHECKS[kind][1]}'
        )
    return path


def _is(matches_mode: Callable[[int], bool]) -> Callable[[Path], bool]:
    return lambda path: path.exists() and matches_mode(path.stat().st_mode)


_TYPE_CHECKS: dict[str, tuple[Callable[[Path], bool], str]] = {
    "Directory": (Path.is_dir, "a directory"),
    "DirectoryOrCreate": (Path.is_dir, "a directory"),
    "File": (Path.is_file, "a file"),
    "FileOrCreate": (Path.is_file, "a file"),
    "Socket": (_is(stat.S_ISSOCK), "a socket file"),
    "CharDevice": (_is(stat.S_ISCHR), "a character device"),
    "BlockDevice": (_is(stat.S_ISBLK), "a block device"),
}
