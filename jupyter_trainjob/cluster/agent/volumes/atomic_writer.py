"""Update the files of a volume atomically, in the layout of kubelet's AtomicWriter.

::

    volume/..2026_11_23_10_00_00.x7   the files
           ..data                     → the folder above, replaced by a rename
           key                        → ..data/key, what the program opens

A program that reads during an update sees all old or all new files.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from jupyter_trainjob.cluster.agent.start_errors import StartRefused
from jupyter_trainjob.cluster.agent.volumes.volume_contents import File

DATA = "..data"
_WRITE_LOCK = threading.Lock()
"""Serialises writes: a restarting container and a changed object may write a volume at the same time."""


def write_files(volume: Path, files: Mapping[str, File]) -> bool:
    """Make `files`, by path, the content of the folder `volume`; return whether anything changed."""
    wanted = {relative_path(name): file for name, file in files.items()}
    with _WRITE_LOCK:
        return _write(volume, wanted)


def _write(volume: Path, wanted: Mapping[Path, File]) -> bool:
    data = volume / DATA
    if data.exists() and _is_same(data, wanted):
        return False
    volume.mkdir(parents=True, exist_ok=True)
    old_folder = data.resolve() if data.is_symlink() else None
    stamp = time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime())
    folder = Path(tempfile.mkdtemp(prefix=stamp, dir=volume))
    folder.chmod(0o755)
    for path, file in wanted.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(file.mode)
    _replace_link(data, folder.name)
    tops = {path.parts[0] for path in wanted}
    for top in tops:
        if not (volume / top).is_symlink():
            (volume / top).symlink_to(f"{DATA}/{top}")
    for entry in volume.iterdir():
        if entry.is_symlink() and entry != data and entry.name not in tops:
            entry.unlink()
    if old_folder is not None:
        shutil.rmtree(old_folder, ignore_errors=True)
    return True


def relative_path(path: str) -> Path:
    """Return a relative path inside a volume. Raises `StartRefused` for other paths."""
    result = Path(path)
    if result.is_absolute() or ".." in result.parts or not result.parts:
        raise StartRefused("InvalidPath", f'"{path}" must be a relative path without ".."')
    return result


def _replace_link(link: Path, target: str) -> None:
    part = link.with_name(f"{DATA}_tmp")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)


def _is_same(folder: Path, wanted: Mapping[Path, File]) -> bool:
    paths = {Path(root, name).relative_to(folder) for root, _, names in os.walk(folder) for name in names}
    if paths != set(wanted):
        return False
    try:
        return all((folder / path).read_bytes() == file.data for path, file in wanted.items())
    except PermissionError:
        return False
