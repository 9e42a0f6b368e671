"""Files that came with the job: local modules, which its code imports, and the files of ``--file``.

They come as one archive in parts, held against their hashes. Modules are unpacked once for all ranks that share a disk,
before anything is unpickled, and win over everything else that can be imported. With ``--file`` each rank works in a
folder of its own that holds these files and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from .captures import check, holds
from .manifest import Manifest, Part
from .protocol import FOLDER_ENV

CODE: Final = "code"
"""Name of the archive, and of what is for importing in it."""
FILES: Final = "files"


def unpack(manifest: Manifest, folder: Path) -> None:
    """Unpack what came, and let the cell find it. `folder` holds parts; whole files lie in the job's folder."""
    if not manifest.code:
        return
    digest = hashlib.sha256("".join(part.sha256 for part in manifest.code).encode()).hexdigest()[:16]
    shared = os.environ.get(FOLDER_ENV)
    root = Path(shared) if shared else Path(tempfile.gettempdir()) / f"trainjob-{os.getuid()}"
    place = root / "unpacked" / digest
    if not place.is_dir():
        _unpack(manifest.code, folder, place)
    sys.path.insert(0, str(place / CODE))
    _places.append(f"{place / CODE}{os.sep}")
    if manifest.files:
        (root / "work").mkdir(exist_ok=True, mode=0o700)
        work = Path(tempfile.mkdtemp(dir=root / "work"))
        shutil.copytree(place / FILES, work, dirs_exist_ok=True)
        os.chdir(work)


def shown(filename: str) -> str:
    """Return what the notebook calls the file of a module that came along: its path beside the notebook."""
    return next((filename.removeprefix(place) for place in _places if filename.startswith(place)), filename)


_places: list[str] = []
"""Where modules were unpacked."""


def _unpack(parts: tuple[Part, ...], folder: Path, place: Path) -> None:
    """Unpack next to the place, then give it its name: several ranks may do so at once, and the first one wins."""
    data = io.BytesIO()
    for part in parts:
        source = holds(part, folder)
        check(part, source)
        data.write((source / part.file).read_bytes())
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=place.parent))
    with zipfile.ZipFile(data) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, draft))
            if (entry.external_attr >> 16) & 0o100:
                path.chmod(0o755)
    for name in (CODE, FILES):
        (draft / name).mkdir(exist_ok=True)
    try:
        draft.rename(place)
    except OSError:
        if not place.is_dir():
            raise
        shutil.rmtree(draft, ignore_errors=True)
