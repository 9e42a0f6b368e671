"""Enter a pod's own view of this computer: user, mount and UTS namespaces of Linux.

In: a plan (volumes and where they lie, host name, an empty folder). Out: the calling process, and everything that it
starts, sees the host's files with the volumes at their mountPath, its own ``/etc/hosts`` and host name. Nothing needs
privileges; where the kernel refuses all the same, `OSError` says so and the agent substitutes paths instead.

The new root is a tmpfs into which every entry of the host's root is bound, so a mountPath may lie anywhere: a folder
that has to gain an entry is rebuilt in the tmpfs the same way (``/dev`` always, for ``/dev/termination-log``).

Standard library only; started by path (``namespaces.py PLAN``) it answers whether the kernel lets us. A process that
enters must have one thread, which a forked child has.
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
KEPT_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME
NOISE = ("tty", "vcs", "loop", "ram", "hvc", "nbd")
"""Devices that no program of a pod looks for; there are hundreds of them."""

_libc = ctypes.CDLL(None, use_errno=True)


def enter(plan: dict[str, Any]) -> None:
    """Enter namespaces of our own and lay out the files that `plan` describes.

    ``root``: an empty folder; ``hostname``; ``user``: whether to take a user namespace (root may do without);
    ``mounts``: ``source``, ``target`` and ``readonly`` of each volume.
    """
    own = CLONE_NEWNS | CLONE_NEWUTS | (CLONE_NEWUSER if plan["user"] else 0)
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(own), "unshare")
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
    _build("/", root, rebuilt([volume["target"] for volume in mounts]))
    for volume in mounts:
        _mount_volume(volume, root)
    os.chdir(root)
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")
    name = plan["hostname"].encode()
    _check(_libc.sethostname(name, len(name)), "sethostname")


def rebuilt(targets: list[str]) -> set[str]:
    """Return the folders of the host that must be rebuilt so that each target can exist."""
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
    """Ask the kernel for a mount; OSError names the target."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    result = _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _check(result, f"mount on {target}")


def _build(folder: str, copy: str, rebuild: set[str]) -> None:
    for entry in os.scandir(folder):
        path = os.path.join(copy, entry.name)
        if folder == "/dev" and entry.name != "tty" and entry.name.startswith(NOISE):
            continue
        with contextlib.suppress(OSError):  # what cannot be shown is not there
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), path)
            elif entry.path in rebuild:
                os.mkdir(path)
                os.chmod(path, stat.S_IMODE(entry.stat().st_mode))
                _build(entry.path, path, rebuild)
            else:
                _place(entry.path, path)
                mount(entry.path, path, flags=MS_BIND | MS_REC)


def _mount_volume(volume: dict[str, Any], root: str) -> None:
    path = root + volume["target"]
    if not os.path.lexists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _place(volume["source"], path)
    mount(volume["source"], path, flags=MS_BIND | MS_REC)
    if volume.get("readonly"):
        # Flags that the source's file system has are locked inside a user namespace: they must be repeated.
        kept = os.statvfs(path).f_flag & KEPT_FLAGS
        mount(None, path, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def _place(source: str, path: str) -> None:
    """Make what `source` can be bound onto: a folder, or an empty file."""
    if os.path.isdir(source):
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    try:
        enter(json.loads(sys.argv[1]))
    except OSError as error:
        sys.exit(str(error.strerror or error))
