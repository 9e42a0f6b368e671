"""Files of a volume that change all at once, as kubelet's AtomicWriter lays them out.

::

    volume/..2026_11_23_10_00_00.x7   the files
           ..data                     → the folder above, replaced by a rename
           key                        → ..data/key, what the program opens

A program that reads while the files are replaced sees the old ones or the new ones, never a mixture.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from jupyter_trainjob.cluster.agent.contents import File
from jupyter_trainjob.cluster.agent.waiting import Refused

DATA = "..data"
_WRITING = threading.Lock()
"""A volume may be laid out again for a container that restarts while a change of its object arrives."""


def write(volume: Path, files: Mapping[str, File]) -> bool:
    """Make `files` the content of the folder `volume`; return whether it was another before."""
    wanted = {relative(name): file for name, file in files.items()}
    with _WRITING:
        return _write(volume, wanted)


def _write(volume: Path, wanted: Mapping[Path, File]) -> bool:
    data = volume / DATA
    if data.exists() and _same(data, wanted):
        return False
    volume.mkdir(parents=True, exist_ok=True)
    before = data.resolve() if data.is_symlink() else None
    stamp = time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime())
    folder = Path(tempfile.mkdtemp(prefix=stamp, dir=volume))
    folder.chmod(0o755)
    for path, file in wanted.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(file.mode)
    _point(data, folder.name)
    tops = {path.parts[0] for path in wanted}
    for top in tops:
        if not (volume / top).is_symlink():
            (volume / top).symlink_to(f"{DATA}/{top}")
    for entry in volume.iterdir():
        if entry.is_symlink() and entry != data and entry.name not in tops:
            entry.unlink()
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)
    return True


def relative(path: str) -> Path:
    """Return a path inside a volume."""
    found = Path(path)
    if found.is_absolute() or ".." in found.parts or not found.parts:
        raise Refused("InvalidPath", f'"{path}" must be a relative path without ".."')
    return found


def _point(link: Path, target: str) -> None:
    part = link.with_name(f"{DATA}_tmp")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)


def _same(folder: Path, wanted: Mapping[Path, File]) -> bool:
    found = {Path(root, name).relative_to(folder) for root, _, names in os.walk(folder) for name in names}
    if found != set(wanted):
        return False
    try:
        return all((folder / path).read_bytes() == file.data for path, file in wanted.items())
    except PermissionError:
        return False
