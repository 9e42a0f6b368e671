"""Unpack the files that came with the job: local modules and the files of ``--file``.

They are one archive in parts, whose hashes are verified. Modules are unpacked once for all ranks that share a disk,
before anything is unpickled, and take precedence over all other importable modules. With ``--file`` each rank works in
a folder of its own that contains only these files.
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

from ..captured_values import part_folder, verify_part
from ..manifest import Manifest, Part
from ..protocol import FOLDER_ENV

CODE: Final = "code"
"""Name of the archive, and of its folder with modules."""
FILES: Final = "files"


def unpack_files(manifest: Manifest, folder: Path) -> None:
    """Unpack the archive and extend the import path. `folder` contains its parts."""
    if not manifest.code:
        return
    digest = hashlib.sha256("".join(part.sha256 for part in manifest.code).encode()).hexdigest()[:16]
    shared = os.environ.get(FOLDER_ENV)
    root = Path(shared) if shared else Path(tempfile.gettempdir()) / f"trainjob-{os.getuid()}"
    target = root / "unpacked" / digest
    if not target.is_dir():
        _unpack_archive(manifest.code, folder, target)
    sys.path.insert(0, str(target / CODE))
    _code_folders.append(f"{target / CODE}{os.sep}")
    if manifest.files:
        (root / "work").mkdir(exist_ok=True, mode=0o700)
        work = Path(tempfile.mkdtemp(dir=root / "work"))
        shutil.copytree(target / FILES, work, dirs_exist_ok=True)
        os.chdir(work)


def displayed_path(filename: str) -> str:
    """Return the path of a sent module's file beside the notebook; other paths are unchanged."""
    return next((filename.removeprefix(folder) for folder in _code_folders if filename.startswith(folder)), filename)


_code_folders: list[str] = []
"""Folders of unpacked modules, with a trailing slash."""


def _unpack_archive(parts: tuple[Part, ...], folder: Path, target: Path) -> None:
    """Unpack into a draft and rename it: of several ranks that do so at once the first one wins."""
    data = io.BytesIO()
    for part in parts:
        source = part_folder(part, folder)
        verify_part(part, source)
        data.write((source / part.file).read_bytes())
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    with zipfile.ZipFile(data) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, draft))
            if (entry.external_attr >> 16) & 0o100:
                path.chmod(0o755)
    for name in (CODE, FILES):
        (draft / name).mkdir(exist_ok=True)
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(draft, ignore_errors=True)
