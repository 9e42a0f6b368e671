"""``job.pyz``: a zip application with the worker, cloudpickle, and the manifest that says what to run.

Comes after `capture`; goes into a Secret through `delivery`, and any Python runs it. Captured values are not in it but
lie next to it in parts: the archive stays small whatever a job carries. The same input gives the same bytes.
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
"""Stands in for jupyter_trainjob where it is not installed: a job needs no more of it than these."""

from jupyter_trainjob.worker.folder import checkpoint_dir, output_dir
from jupyter_trainjob.worker.report import report
'''
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def archive(capture: Capture, *, key: bytes, job: str, compiled: bool = False, seed: int | None = None) -> bytes:
    """Return ``job.pyz`` for a capture. `key` signs the results of the job, `seed` makes its random numbers.

    With `compiled` it also holds byte code for this very Python, which makes it larger and saves a rank of the same
    Python 50 ms: for pods of this computer, whose frameworks are warm already.
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
        modules=tuple(Module(each.name, each.version, each.size) for each in capture.modules),
        seed=seed,
        future=capture.future,
        settings=dict(capture.settings),
        secrets=tuple(Secret(each.name, each.env, each.variable) for each in capture.secrets),
    )
    return _zip(_program(compiled=compiled), {MANIFEST: manifest.to_json()})


def read_manifest(data: bytes) -> Manifest:
    """Return what a ``job.pyz`` says of itself."""
    with zipfile.ZipFile(io.BytesIO(data)) as archived:
        return Manifest.from_json(archived.read(MANIFEST))


def readdressed(data: bytes, *, key: bytes, job: str, changes: Sequence[Change] = ()) -> bytes:
    """Return a ``job.pyz`` that is the same but for the name of its job, its key, and the `changes` of its values."""
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
            entry.create_system = 3  # Unix, wherever it was made.
            archived.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    return stream.getvalue()


@functools.cache
def _program(*, compiled: bool) -> bytes:
    """Return what is the same in every archive, as an archive: packing it takes longer than all the rest."""
    files = {
        "__main__.py": _MAIN.encode(),
        f"{STAND_IN}/jupyter_trainjob/__init__.py": _STAND_IN.encode(),
        f"{STAND_IN}/jupyter_trainjob/worker/__init__.py": b"",
    }
    for module, name in ((worker, PACKAGE), (cloudpickle, "cloudpickle")):
        for path in sorted(Path(module.__file__ or "").parent.glob("*.py")):
            inside = f"{name}/{path.name}"
            files[inside] = path.read_bytes()
            if compiled:
                files[f"{inside}c"] = _byte_code(files[inside], inside)
    return _zip(b"", files)


def _byte_code(text: bytes, name: str) -> bytes:
    """Return a ``.pyc`` file that is not held against its source (PEP 552), which another Python passes over."""
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
