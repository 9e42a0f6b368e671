"""Set up a pod's Linux namespaces: user, mount and UTS.

In: a plan (volumes and their paths, host name, an empty folder). Out: the calling process and its children see the
host's files with the volumes at their mountPath, and have their own ``/etc/hosts`` and host name. No privileges are
needed. If the kernel refuses, `OSError` is raised, and the agent rewrites paths instead (`path_rewriting`).

The new root is a tmpfs with bind mounts of all entries of the host's root, so that a mountPath may be anywhere: a
folder that needs an additional entry is rebuilt in the tmpfs the same way (``/dev`` always, for
``/dev/termination-log``).

Standard library only; started by path (``namespaces.py PLAN``) it tests whether the kernel permits this. The calling
process must be single-threaded, as a forked child is.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import stat
import sys
from typing import Any

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER = 0x00020000, 0x04000000, 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC = 32, 1024, 2048, 4096, 16384
MS_UNBINDABLE, MS_SLAVE, MS_RELATIME = 1 << 17, 1 << 19, 1 << 21
MNT_DETACH = 2
LOCKED_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME
SKIPPED_DEVICES = ("tty", "vcs", "loop", "ram", "hvc", "nbd")
"""Prefixes of devices that containers do not need; there are hundreds of them."""

_libc = ctypes.CDLL(None, use_errno=True)


def enter(plan: dict[str, Any]) -> None:
    """Enter new namespaces and mount the files of `plan`. Raises OSError if the kernel refuses.

    `plan` has ``root``: an empty folder; ``hostname``; ``user``: whether to create a user namespace (root needs none);
    ``mounts``: ``source``, ``target`` and ``readonly`` of each volume.
    """
    flags = CLONE_NEWNS | CLONE_NEWUTS | (CLONE_NEWUSER if plan["user"] else 0)
    uid, gid = os.geteuid(), os.getegid()
    _raise_on_error(_libc.unshare(flags), "unshare")
    if plan["user"]:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    mount(None, "/", flags=MS_SLAVE | MS_REC)
    root = os.path.realpath(plan["root"])
    mount("tmpfs", root, kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=755")
    mount(None, root, flags=MS_UNBINDABLE)
    mounts = [{**volume, "target": os.path.realpath(volume["target"])} for volume in plan["mounts"]]
    mounts.sort(key=lambda volume: volume["target"].count("/"))
    _bind_entries("/", root, folders_to_rebuild([volume["target"] for volume in mounts]))
    for volume in mounts:
        _mount_volume(volume, root)
    os.chdir(root)
    _raise_on_error(_libc.pivot_root(b".", b"."), "pivot_root")
    _raise_on_error(_libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")
    name = plan["hostname"].encode()
    _raise_on_error(_libc.sethostname(name, len(name)), "sethostname")


def folders_to_rebuild(targets: list[str]) -> set[str]:
    """Return the folders of the host that must be rebuilt so that each mount target exists."""
    folders = {"/", "/dev"}
    for target in targets:
        if os.path.lexists(target) or any(target.startswith(other + "/") for other in targets):
            continue
        folder = os.path.dirname(target)
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        while folder != "/":
            folders.add(folder)
            folder = os.path.dirname(folder)
    return folders


def mount(source: str | None, target: str, *, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """Mount a file system or a bind mount. Raises OSError with the target."""
    arguments = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    result = _libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3])
    _raise_on_error(result, f"mount on {target}")


def _bind_entries(folder: str, copy: str, rebuild: set[str]) -> None:
    for entry in os.scandir(folder):
        path = os.path.join(copy, entry.name)
        if folder == "/dev" and entry.name != "tty" and entry.name.startswith(SKIPPED_DEVICES):
            continue
        with contextlib.suppress(OSError):  # entries that cannot be mounted are left out
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), path)
            elif entry.path in rebuild:
                os.mkdir(path)
                os.chmod(path, stat.S_IMODE(entry.stat().st_mode))
                _bind_entries(entry.path, path, rebuild)
            else:
                _create_mount_point(entry.path, path)
                mount(entry.path, path, flags=MS_BIND | MS_REC)


def _mount_volume(volume: dict[str, Any], root: str) -> None:
    path = root + volume["target"]
    if not os.path.lexists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _create_mount_point(volume["source"], path)
    mount(volume["source"], path, flags=MS_BIND | MS_REC)
    if volume.get("readonly"):
        # Flags of the source's mount are locked in a user namespace and must be repeated (mount_namespaces(7)).
        flags = os.statvfs(path).f_flag & LOCKED_FLAGS
        mount(None, path, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def _create_mount_point(source: str, path: str) -> None:
    """Create the mount point for `source`: a folder or an empty file."""
    if os.path.isdir(source):
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _raise_on_error(result: int, operation: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{operation}: {os.strerror(number)}")


if __name__ == "__main__":
    try:
        enter(json.loads(sys.argv[1]))
    except OSError as error:
        sys.exit(str(error.strerror or error))
