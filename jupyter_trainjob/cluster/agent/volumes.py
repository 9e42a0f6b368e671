"""A pod's volumes as folders: what kubelet's volume plugins do.

In: the pod, and where a node keeps things (`Shelf`). Out: for each volume the path that its mounts show, then for each
container its mounts. A missing object raises `NotYet`, a volume that this node does not know `Refused`. All containers
of a pod see the same folders; what lies on the memory file system or belongs to a claim is only linked from the pod's.
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

from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS, Object
from jupyter_trainjob.cluster.agent import contents, payload
from jupyter_trainjob.cluster.agent.contents import Asker
from jupyter_trainjob.cluster.agent.environment import expand, unknown
from jupyter_trainjob.cluster.agent.waiting import NotYet, Refused

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the file system that lies in memory
KNOWN = "secret, configMap, downwardAPI, projected, emptyDir, persistentVolumeClaim, ephemeral and hostPath"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a node keeps volumes."""

    pod: Path
    """The folder of this pod's volumes."""
    claims: Path
    """What outlives pods."""
    memory: Path = SHARED_MEMORY


@dataclass(frozen=True, slots=True)
class Source:
    """A volume as it lies on this computer."""

    path: Path
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """One path of the host, and where the container sees it."""

    source: str
    target: str
    readonly: bool = False

    def plan(self) -> Object:
        """Return it as the shim reads it."""
        return {"source": self.source, "target": self.target, "readonly": self.readonly}


def lay_out(asker: Asker, shelf: Shelf) -> dict[str, Source]:
    """Make every volume of the pod and return it by name."""
    return {str(volume["name"]): _lay_out(asker, volume, shelf) for volume in asker.pod["spec"].get("volumes") or ()}


def refresh(asker: Asker, shelf: Shelf) -> bool:
    """Renew the volumes whose content comes from objects; return whether any has changed.

    An object that is gone by now, or lacks a key, leaves its volume as it is.
    """
    changed = False
    for volume in asker.pod["spec"].get("volumes") or ():
        for kind in contents.KINDS:
            with contextlib.suppress(NotYet):
                if kind in volume and (shelf.pod / volume["name"]).is_dir():
                    found = contents.files(asker, volume["name"], kind, volume[kind] or {})
                    changed |= payload.write(shelf.pod / volume["name"], found)
    return changed


def mounts(container: Object, sources: Mapping[str, Source], env: Mapping[str, str]) -> list[Mount]:
    """Return the mounts of one container, whose variables are `env`."""
    found = []
    for mount in container.get("volumeMounts") or ():
        source = sources.get(mount["name"])
        if source is None:
            raise Refused(
                "UnknownVolume", f'the container mounts volume "{mount["name"]}", which the pod does not have'
            )
        path = _part(source, mount, env)
        target = "/" + str(mount["mountPath"]).strip("/")
        found.append(Mount(str(path), target, source.readonly or bool(mount.get("readOnly"))))
    return found


def remove(folder: Path, memory: Path = SHARED_MEMORY) -> None:
    """Remove what a pod's volumes keep outside of `folder`, which goes with the pod."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_symlink() and (target := entry.readlink()).is_relative_to(memory):
            shutil.rmtree(target, ignore_errors=True)


def _lay_out(asker: Asker, volume: Object, shelf: Shelf) -> Source:
    name = str(volume["name"])
    path = shelf.pod / name
    for kind in contents.KINDS:
        if kind in volume:
            payload.write(path, contents.files(asker, name, kind, volume[kind] or {}))
            return Source(path, readonly=True)
    if "hostPath" in volume:
        return Source(_host_path(name, volume["hostPath"]))
    if "persistentVolumeClaim" in volume:
        return _claim(asker, name, volume["persistentVolumeClaim"], shelf)
    if (volume.get("emptyDir") or {}).get("medium") == "Memory" and shelf.memory.is_dir():
        return Source(_in_memory(asker, path, shelf))
    if "emptyDir" in volume or "ephemeral" in volume:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
        return Source(path)
    kinds = ", ".join(key for key in volume if key != "name") or "nothing"
    raise Refused("UnsupportedVolume", f'volume "{name}" is a {kinds}; the embedded cluster knows {KNOWN}')


def _in_memory(asker: Asker, path: Path, shelf: Shelf) -> Path:
    """Make a folder in memory that the pod's containers share, and that `remove` finds by a link."""
    target = shelf.memory / f"trainjob-{os.geteuid()}-{asker.pod['metadata']['uid']}-{path.name}"
    target.mkdir(mode=0o700, exist_ok=True)
    if target.is_symlink() or target.stat().st_uid != os.geteuid():
        raise Refused("FailedMount", f'volume "{path.name}": {target} belongs to somebody else')
    if not path.is_symlink():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return target


def _claim(asker: Asker, volume: str, source: Object, shelf: Shelf) -> Source:
    name = str(source["claimName"])
    claim = asker.look_up(PERSISTENTVOLUMECLAIMS, name)
    problem = ""
    if claim is None:
        problem = f'persistentvolumeclaim "{name}" not found'
    elif "deletionTimestamp" in claim["metadata"]:
        problem = f'persistentvolumeclaim "{name}" is being deleted'
    if claim is None or problem:
        raise NotYet("FailedMount", problem, resource=PERSISTENTVOLUMECLAIMS, name=name)
    metadata = claim["metadata"]
    if claim["spec"].get("volumeMode") == "Block":
        raise Refused("UnsupportedVolume", f'volume "{volume}": there are no block devices; claim a Filesystem')
    path = shelf.claims / metadata["namespace"] / metadata["uid"]
    path.mkdir(parents=True, exist_ok=True)
    return Source(path, bool(source.get("readOnly")))


def _part(source: Source, mount: Object, env: Mapping[str, str]) -> Path:
    """Return the part of a volume that a mount shows; a folder is made where there is nothing."""
    sub = str(mount.get("subPath") or "")
    if expression := mount.get("subPathExpr"):
        sub = _expanded(mount, str(expression), env)
    if not sub:
        return source.path
    root = source.path.resolve()
    path = (root / payload.relative(sub)).resolve()
    if not path.is_relative_to(root):
        raise Refused("InvalidPath", f'subPath "{sub}" of volume "{mount["name"]}" leads out of the volume')
    if not path.exists():
        path.mkdir(parents=True)
    return path


def _expanded(mount: Object, expression: str, env: Mapping[str, str]) -> str:
    if missing := unknown(expression, env):
        message = f'volume "{mount["name"]}": subPathExpr "{expression}": missing value for {", ".join(missing)}'
        raise Refused("CreateContainerConfigError", message)
    return expand(expression, env)


def _host_path(volume: str, source: Any) -> Path:
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if kind in _RIGHT and not _RIGHT[kind][0](path):
        raise Refused("FailedMount", f'volume "{volume}": hostPath type check failed: {path} is not {_RIGHT[kind][1]}')
    return path


def _is(check: Callable[[int], bool]) -> Callable[[Path], bool]:
    return lambda path: path.exists() and check(path.stat().st_mode)


_RIGHT: dict[str, tuple[Callable[[Path], bool], str]] = {
    "Directory": (Path.is_dir, "a directory"),
    "DirectoryOrCreate": (Path.is_dir, "a directory"),
    "File": (Path.is_file, "a file"),
    "FileOrCreate": (Path.is_file, "a file"),
    "Socket": (_is(stat.S_ISSOCK), "a socket file"),
    "CharDevice": (_is(stat.S_ISCHR), "a character device"),
    "BlockDevice": (_is(stat.S_ISBLK), "a block device"),
}
