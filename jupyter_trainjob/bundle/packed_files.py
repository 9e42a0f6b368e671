"""Pack the local modules of a job and the files of ``--file`` into one archive, which is sent like captured values."""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from jupyter_trainjob.bundle.analysis.local_modules import LIMIT, JobModule
from jupyter_trainjob.bundle.serialization.payload import Payload, SpillDir
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.storage.packed_modules import CODE, FILES

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
NAMED: Final = 3


def resolve_patterns(patterns: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return the files of ``--file`` by their paths in the job: relative to `folder` if below it, else their names.

    A link to a file is followed and keeps its name; links to folders inside of a folder are left out. Raises
    `errors.UsageError` for a pattern without matches.
    """
    files: dict[str, Path] = {}
    for pattern in patterns:
        # Path.glob does not accept absolute patterns and "..".
        matches = glob.glob(str(folder / Path(pattern).expanduser()), recursive=True)  # noqa: PTH207
        paths = [Path(file) for file in sorted(matches)]
        if not paths:
            raise UsageError(f"--file {pattern}: there is no such file in {folder}. Nothing was sent.")
        for path in paths:
            # Links are not resolved: data that is linked from elsewhere would have no path below the folder.
            named = _absolute(path)
            base = _absolute(folder) if named.is_relative_to(_absolute(folder)) else named.parent
            for file in _iter_files(named):
                files[file.relative_to(base).as_posix()] = file
    return files


def pack_files(
    modules: Iterable[JobModule], files: dict[str, Path], spill_dir: SpillDir = lambda: None
) -> Payload | None:
    """Return the archive; None if there is nothing to send. Raises `errors.UsageError` if a package is too large."""
    entries = {f"{CODE}/{name}": path for module in modules for name, path in _check_size(module).files}
    entries |= {f"{FILES}/{name}": path for name, path in files.items()}
    if not entries:
        return None
    payload = Payload(spill_dir, name=CODE)
    try:
        _write(payload, entries)
    except BaseException as error:
        payload.discard()
        if payload.write_error is not None:
            raise payload.disk_error(payload.write_error) from error
        raise
    return payload.finish()


def _write(stream: Payload, entries: dict[str, Path]) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.external_attr = (0o755 if entries[name].stat().st_mode & 0o100 else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            with entries[name].open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while chunk := source.read(2**20):
                    target.write(chunk)


def _absolute(path: Path) -> Path:
    """Return the absolute path without "..", with its links unresolved."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links.


def _iter_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (entry for entry in sorted(path.rglob("*")) if entry.is_file())


def _check_size(module: JobModule) -> JobModule:
    if module.size > LIMIT:
        largest = sorted(module.files, key=lambda file: file[1].stat().st_size, reverse=True)[:NAMED]
        named = ", ".join(f"{name} ({path.stat().st_size / 1e6:,.1f} MB)" for name, path in largest)
        raise UsageError(
            f"The package {module.name} is sent with the job, since it is not installed, and is too large for that: "
            f"{module.size / 1e6:,.1f} MB, where {LIMIT / 1e6:,.0f} MB are possible. The largest: {named}. Move data "
            f"out of it, or install it in the runtime's image. Nothing was sent."
        )
    return module
