"""The record of a job: everything that is needed to create it again.

A record is collected while a job is prepared, stored compressed in the bundle's Secret, under a key that no pod mounts,
and read as `TrainJob.record`. It is a dict of JSON values; values of arguments are short texts.
"""

from __future__ import annotations

import base64
import contextlib
import getpass
import gzip
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from jupyter_trainjob.api.resources import SECRETS, KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.bundle import credential_scan
from jupyter_trainjob.bundle.capture import ARGUMENT, THE_CALL, Capture
from jupyter_trainjob.bundle.delivery import RECORD_ENTRY, bundle_secret
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.reproduce import git
from jupyter_trainjob.client.spec.options import TABLE, JobOptions
from jupyter_trainjob.constants import VERSION

SHORT: Final = 200
"""Maximum length of an argument's text."""
LARGEST: Final = 200_000
"""Maximum size of a compressed record in bytes; it shares one Secret with the archive."""
_PLACE: Final = ("name", "context", "namespace")
"""Options that are stored in the TrainJob's metadata."""


@dataclass(frozen=True)
class PendingRecord:
    """Notebook and git state, collected while a cell is packed."""

    git: Callable[[], dict[str, Any] | None]
    notebook: str | None


NOTHING: Final = PendingRecord(lambda: None, None)


def begin_record(variables: Mapping[str, Any]) -> PendingRecord:
    """Start a record; `variables` are the notebook's."""
    return PendingRecord(git.start_git(Path.cwd()), notebook(variables))


def gather_record(
    capture: Capture, options: JobOptions, *, pending: PendingRecord, runtime: KubeObject, seed: int
) -> dict[str, Any]:
    """Return the record of a job that is about to be sent; `runtime` is the one it will run in."""
    return {
        "time": timestamp(time.time()),
        "user": _user(),
        "cell": {
            "kind": capture.kind,
            "label": capture.filename,
            "source": capture.source,
            "sha256": hashlib.sha256(capture.source.encode("utf-8", errors="surrogatepass")).hexdigest(),
        },
        "notebook": pending.notebook,
        "folder": str(Path.cwd()),
        "git": pending.git(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": packages(capture),
        "runtime": runtime_snapshot(runtime),
        "options": given_options(options),
        "arguments": argument_texts(capture),
        "seed": seed,
    }


def pack_record(record: Mapping[str, Any], *, limit: int = LARGEST) -> bytes:
    """Return a record compressed, in at most `limit` bytes; its largest entries are dropped if it is larger."""
    git = record.get("git")
    lighter: dict[str, Any] = {"git": git and {**git, "diff": "", "diff_cut": True}}
    without: list[dict[str, Any]] = [
        {},
        lighter,
        {**lighter, "cell": {**record["cell"], "source": ""}, "arguments": {}},
    ]
    for change in without:
        data = gzip.compress(json.dumps({**record, **change}, sort_keys=True).encode("ascii"), 6, mtime=0)
        if len(data) <= limit:
            return data
    return b""


def record_of_rerun(
    data: bytes, *, of: str, runtime: KubeObject | None = None, options: Mapping[str, Any] | None = None
) -> bytes:
    """Return the record in `data` for a rerun of the job `of`, with the differences."""
    then = _read(data)
    now: dict[str, Any] = {"rerun_of": of, "rerun_time": timestamp(time.time()), "rerun_user": _user()}
    if runtime is not None:
        now["runtime"] = runtime_snapshot(runtime)
    if options is not None:
        unforkable = {name: then["options"][name] for name in then["options"] if not TABLE[name].forkable}
        now["options"] = {**unforkable, **options}
    return pack_record({**then, **now})


def unpack_record(secret: KubeObject) -> dict[str, Any]:
    """Return the record in a bundle's Secret; empty for a job that was sent without one."""
    data = (secret.get("data") or {}).get(RECORD_ENTRY)
    return _read(base64.b64decode(data)) if data else {}


def job_record(connection: Connection, trainjob: KubeObject) -> dict[str, Any]:
    """Return the record of a job; empty if it was not sent from a notebook, or its bundle was deleted."""
    name, namespace = trainjob["metadata"]["name"], trainjob["metadata"]["namespace"]
    secret = connection.client.find(SECRETS, bundle_secret(name), namespace=namespace)
    return unpack_record(secret) if secret is not None else {}


def notebook(variables: Mapping[str, Any]) -> str | None:
    """Return the path of the notebook, if the environment of the kernel names it."""
    named = variables.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return str(named) if named else None


def packages(capture: Capture) -> dict[str, str]:
    """Return the versions of the modules that the job imports from the runtime; empty for a module without one."""
    versions = {module.name: module.version for module in capture.modules if not module.by_value}
    with contextlib.suppress(metadata.PackageNotFoundError):
        versions["cloudpickle"] = metadata.version("cloudpickle")
    return {**versions, "jupyter_trainjob": VERSION}


def current_versions(then: Mapping[str, Any]) -> dict[str, Any]:
    """Return the current Python, packages and folder, as a new process would find them, in the form of a record."""
    packages = then["packages"]
    versions = {name: _installed(name) for name in packages} | {"jupyter_trainjob": VERSION}
    if not all(versions.values()):  # A module and its distribution may have different names; the lookup is slow.
        names = metadata.packages_distributions()
        versions = {name: version or _installed(*names.get(name, ())) for name, version in versions.items()}
    return {"python": platform.python_version(), "packages": versions, "git": git.start_git(Path(then["folder"]))()}


def runtime_snapshot(runtime: KubeObject) -> KubeObject:
    """Return a runtime without the fields that the server sets."""
    metadata = runtime["metadata"]
    return {
        "apiVersion": runtime["apiVersion"],
        "kind": runtime["kind"],
        "metadata": {"name": metadata["name"], "labels": dict(metadata.get("labels") or {})},
        "spec": runtime["spec"],
    }


def given_options(options: JobOptions) -> dict[str, Any]:
    """Return the options that are not the default, as plain values."""
    masked = {**options, "env": credential_scan.mask_env(options["env"])}
    plain = {name: _plain(value) for name, value in masked.items() if name not in _PLACE}
    return {name: value for name, value in plain.items() if value != _plain(TABLE[name].default)}


def argument_texts(capture: Capture) -> dict[str, str]:
    """Return the inputs of the cell or function as short texts: the literal if there is one, else the type."""
    literals = {recipe.name: recipe.literal for recipe in capture.recipes if recipe.literal}
    texts = {}
    for value in capture.names:
        if value.name != THE_CALL:
            text = literals.get(value.name) or f"<{value.type}, {value.size:,} B>"
            texts[value.name.removeprefix(ARGUMENT)] = text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
    return texts


def _installed(*names: str) -> str:
    with contextlib.suppress(metadata.PackageNotFoundError, IndexError):
        return metadata.version(names[0])
    return ""


def _read(data: bytes) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(gzip.decompress(data))
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # The uid has no user name, as in some containers.
        return ""
