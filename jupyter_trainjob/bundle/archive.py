"""``job.pyz``: a zip application with the worker, cloudpickle, and the manifest of the program to run.

`delivery` puts it into a Secret, and any Python runs it. Captured values are not part of it but of files next to it, so
that the archive stays small. The same input gives the same bytes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import marshal
import platform
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

import cloudpickle

from jupyter_trainjob import worker
from jupyter_trainjob.bundle.capture import Capture
from jupyter_trainjob.worker.entrypoint import STAND_IN
from jupyter_trainjob.worker.manifest import Change, Manifest, Module, Secret, Value
from jupyter_trainjob.worker.protocol import MANIFEST, PACKAGE

_MAIN: Final = f"""\
import sys

from {PACKAGE}.entrypoint import main

if __name__ == "__main__":
    sys.exit(main())
"""
_STAND_IN: Final = '''\
"""Replaces jupyter_trainjob where it is not installed: the part of it that jobs use."""

from jupyter_trainjob.worker.storage.job_dirs import checkpoint_dir, output_dir
from jupyter_trainjob.worker.report import report
'''
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def build_archive(capture: Capture, *, key: bytes, job: str, compiled: bool = False, seed: int | None = None) -> bytes:
    """Return ``job.pyz`` for a capture. `key` signs the results of the job, `seed` seeds its random numbers.

    With `compiled` it also contains byte code for exactly this Python version, which makes it larger and starts a rank
    50 ms earlier: for pods on this computer, whose frameworks are imported already.
    """
    manifest = Manifest(
        job=job,
        key=key.hex(),
        kind=capture.kind,
        source=capture.source,
        filename=capture.filename,
        out=capture.out,
        values=tuple(Value(value.name, value.type, value.size) for value in capture.names),
        has_code=capture.has_code,
        python=".".join(platform.python_version_tuple()[:2]),
        versions=_versions(),
        parts=capture.payload.parts(),
        sources=dict(capture.sources),
        recipes=capture.recipes,
        python_source=capture.python_source,
        code=capture.code.parts() if capture.code is not None else (),
        files=tuple(capture.files),
        modules=tuple(Module(item.name, item.version, item.size) for item in capture.modules),
        seed=seed,
        future=capture.future,
        imports=capture.imports,
        unsent=capture.unsent,
        settings=dict(capture.settings),
        secrets=tuple(Secret(item.name, item.env, item.variable) for item in capture.secrets),
    )
    return _zip(_program(compiled=compiled), {MANIFEST: manifest.to_json()})


def read_manifest(data: bytes) -> Manifest:
    """Return the manifest of a ``job.pyz``."""
    with zipfile.ZipFile(io.BytesIO(data)) as archived:
        return Manifest.from_json(archived.read(MANIFEST))


def readdress_archive(data: bytes, *, key: bytes, job: str, changes: Sequence[Change] = ()) -> bytes:
    """Return a copy of a ``job.pyz`` with another job name, key, and `changes` of its values."""
    with zipfile.ZipFile(io.BytesIO(data)) as archived:
        files = {name: archived.read(name) for name in archived.namelist()}
    manifest = Manifest.from_json(files[MANIFEST])
    manifest = manifest._replace(job=job, key=key.hex(), changes=tuple(changes))
    return _zip(b"", {**files, MANIFEST: manifest.to_json()})


def _zip(base: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return the archive `base` with `files` added."""
    stream = io.BytesIO(base)
    with zipfile.ZipFile(stream, "a" if base else "w") as archived:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # Unix, on every platform.
            archived.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    return stream.getvalue()


@functools.cache
def _program(*, compiled: bool) -> bytes:
    """Return the part that all archives share, as an archive: compressing it takes longer than all the rest."""
    files = {
        "__main__.py": _MAIN.encode(),
        f"{STAND_IN}/jupyter_trainjob/__init__.py": _STAND_IN.encode(),
        f"{STAND_IN}/jupyter_trainjob/worker/__init__.py": b"",
    }
    for module, name in ((worker, PACKAGE), (cloudpickle, "cloudpickle")):
        folder = Path(module.__file__ or "").parent
        for path in sorted(folder.rglob("*.py")):
            inside = f"{name}/{path.relative_to(folder).as_posix()}"
            files[inside] = path.read_bytes()
            if compiled:
                files[f"{inside}c"] = _byte_code(files[inside], inside)
    return _zip(b"", files)


def _byte_code(text: bytes, name: str) -> bytes:
    """Return an unchecked ``.pyc`` file (PEP 552), which other Python versions ignore."""
    code = compile(text, name, "exec", dont_inherit=True, optimize=2)
    unchecked = (0b01).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(text) + marshal.dumps(code)


@functools.cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "cloudpickle": cloudpickle.__version__}
    for package in ("jupyter_trainjob", "numpy", "torch"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
