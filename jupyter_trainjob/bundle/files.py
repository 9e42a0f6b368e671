"""The files that travel with a job: its local modules, and those of ``--file``, in one archive.

Comes after `modules`; goes into the bundle like captured values.
"""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from jupyter_trainjob.bundle.modules import LIMIT, Module
from jupyter_trainjob.bundle.payload import Payload, Place
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.files import CODE, FILES

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
LARGEST: Final = 3


def chosen(patterns: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return the files of ``--file`` by where they lie in the job's folder: as below `folder`, else by their names.

    What a link to a file leads to travels under the link's name; links to folders inside of a folder are left out.

    Raises `errors.UsageError` for a pattern that nothing matches.
    """
    found: dict[str, Path] = {}
    for pattern in patterns:
        # Path.glob takes no pattern that is absolute or goes up.
        matches = glob.glob(str(folder / Path(pattern).expanduser()), recursive=True)  # noqa: PTH207
        paths = [Path(each) for each in sorted(matches)]
        if not paths:
            raise UsageError(f"--file {pattern}: there is no such file in {folder}. Nothing was sent.")
        for path in paths:
            # Links stay where they are named, wherever they lead: resolved, data linked from elsewhere has no place.
            named = _plain(path)
            base = _plain(folder) if named.is_relative_to(_plain(folder)) else named.parent
            for each in _below(named):
                found[each.relative_to(base).as_posix()] = each
    return found


def packed(modules: Iterable[Module], files: dict[str, Path], place: Place = lambda: None) -> Payload | None:
    """Return the archive; None if there is nothing to send. Raises `errors.UsageError` for what is too large."""
    entries = {f"{CODE}/{name}": path for module in modules for name, path in _checked(module).files}
    entries |= {f"{FILES}/{name}": path for name, path in files.items()}
    if not entries:
        return None
    payload = Payload(place, name=CODE)
    try:
        _write(payload, entries)
    except BaseException as error:
        payload.discard()
        if payload.broken is not None:
            raise payload.no_room(payload.broken) from error
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


def _plain(path: Path) -> Path:
    """Return the path without `..`, with its links as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links.


def _below(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (each for each in sorted(path.rglob("*")) if each.is_file())


def _checked(module: Module) -> Module:
    if module.size > LIMIT:
        largest = sorted(module.files, key=lambda file: file[1].stat().st_size, reverse=True)[:LARGEST]
        named = ", ".join(f"{name} ({path.stat().st_size / 1e6:,.1f} MB)" for name, path in largest)
        raise UsageError(
            f"The package {module.name} travels with the job, since it is not installed, and is too large for that: "
            f"{module.size / 1e6:,.1f} MB, where {LIMIT / 1e6:,.0f} MB are possible. The largest: {named}. Move data "
            f"out of it, or install it in the runtime's image. Nothing was sent."
        )
    return module
