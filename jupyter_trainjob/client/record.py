"""The record of a job: all that tells how it was made, so that it can be made again.

Gathered while a job is prepared, kept compressed in the bundle's Secret as an entry of its own, which no pod mounts,
and read again as `TrainJob.record`. A plain dict of JSON values, for people and programs alike. Values of arguments
stand in it as short texts.
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

from jupyter_trainjob.api.resources import SECRETS, Object
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.bundle import credentials
from jupyter_trainjob.bundle.capture import ARGUMENT, THE_CALL, Capture
from jupyter_trainjob.bundle.delivery import RECORD_ENTRY, bundle_secret
from jupyter_trainjob.client import git
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.constants import VERSION

SHORT: Final = 200
"""Characters of an argument's text."""
LARGEST: Final = 200_000
"""Bytes of a compressed record, which lies in one Secret with the archive."""
OF_THE_BUNDLE: Final = ("out", "files", "secrets", "storage")
"""Options of what travelled, which a fork takes over as it is."""
_LEFT_OUT: Final = ("name", "context", "namespace")
"""Options that say where the job is, which its own fields do."""


@dataclass(frozen=True)
class Begun:
    """What is looked up while a cell is packed."""

    git: Callable[[], dict[str, Any] | None]
    notebook: str | None


NOTHING: Final = Begun(lambda: None, None)


def begin(variables: Mapping[str, Any]) -> Begun:
    """Begin a record. `variables` are the notebook's."""
    return Begun(git.start(Path.cwd()), notebook(variables))


def gather(capture: Capture, options: Options, *, begun: Begun, runtime: Object, seed: int) -> dict[str, Any]:
    """Return the record of a job that is about to be sent. `runtime` is what it runs in."""
    return {
        "time": timestamp(time.time()),
        "user": _user(),
        "cell": {
            "kind": capture.kind,
            "label": capture.filename,
            "source": capture.source,
            "sha256": hashlib.sha256(capture.source.encode("utf-8", errors="surrogatepass")).hexdigest(),
        },
        "notebook": begun.notebook,
        "folder": str(Path.cwd()),
        "git": begun.git(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": packages(capture),
        "runtime": snapshot(runtime),
        "options": asked(options),
        "arguments": arguments(capture),
        "seed": seed,
    }


def packed(record: Mapping[str, Any], *, limit: int = LARGEST) -> bytes:
    """Return a record as it is kept, in at most `limit` bytes: where it is too large, without what is largest in it."""
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


def again(data: bytes, *, of: str, runtime: Object | None = None, options: Mapping[str, Any] | None = None) -> bytes:
    """Return the record in `data` for a job that is the one called `of` once more, with what is different about it."""
    then = _read(data)
    now: dict[str, Any] = {"rerun_of": of, "rerun_time": timestamp(time.time()), "rerun_user": _user()}
    if runtime is not None:
        now["runtime"] = snapshot(runtime)
    if options is not None:
        kept = {name: then["options"][name] for name in OF_THE_BUNDLE if name in then["options"]}
        now["options"] = {**kept, **options}
    return packed({**then, **now})


def unpacked(secret: Object) -> dict[str, Any]:
    """Return the record in a bundle's Secret; empty for a job that was sent without one."""
    data = (secret.get("data") or {}).get(RECORD_ENTRY)
    return _read(base64.b64decode(data)) if data else {}


def of(connection: Connection, trainjob: Object) -> dict[str, Any]:
    """Return the record of a job; empty for one that was not sent from a notebook, or whose bundle is gone."""
    name, namespace = trainjob["metadata"]["name"], trainjob["metadata"]["namespace"]
    secret = connection.client.find(SECRETS, bundle_secret(name), namespace=namespace)
    return unpacked(secret) if secret is not None else {}


def notebook(variables: Mapping[str, Any]) -> str | None:
    """Return the path of the notebook, where whoever started the kernel says it."""
    named = variables.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return str(named) if named else None


def packages(capture: Capture) -> dict[str, str]:
    """Return the versions of what the job imports and finds where it runs; empty where a module has none."""
    versions = {each.name: each.version for each in capture.modules if not each.by_value}
    with contextlib.suppress(metadata.PackageNotFoundError):
        versions["cloudpickle"] = metadata.version("cloudpickle")
    return {**versions, "jupyter_trainjob": VERSION}


def here(then: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says of Python, packages and folder as these are now: what a new process would find."""
    packages = then["packages"]
    versions = {name: _installed(name) for name in packages} | {"jupyter_trainjob": VERSION}
    if not all(versions.values()):  # A module may be called otherwise than what it comes with; looking takes long.
        names = metadata.packages_distributions()
        versions = {name: found or _installed(*names.get(name, ())) for name, found in versions.items()}
    return {"python": platform.python_version(), "packages": versions, "git": git.start(Path(then["folder"]))()}


def snapshot(runtime: Object) -> Object:
    """Return a runtime as it is now, without what the server says of it."""
    found = runtime["metadata"]
    return {
        "apiVersion": runtime["apiVersion"],
        "kind": runtime["kind"],
        "metadata": {"name": found["name"], "labels": dict(found.get("labels") or {})},
        "spec": runtime["spec"],
    }


def asked(options: Options) -> dict[str, Any]:
    """Return the options that were given, as plain values."""
    default = Options()
    given = {**vars(options), "env": credentials.masked_env(options.env)}
    said = {name: _plain(value) for name, value in given.items() if name not in _LEFT_OUT}
    return {name: value for name, value in said.items() if value != _plain(getattr(default, name))}


def arguments(capture: Capture) -> dict[str, str]:
    """Return what went into the cell or the function, as short texts: the value where it is plain, else its type."""
    texts = {recipe.name: recipe.literal for recipe in capture.recipes if recipe.literal}
    found = {}
    for value in capture.names:
        if value.name != THE_CALL:
            text = texts.get(value.name) or f"<{value.type}, {value.size:,} B>"
            found[value.name.removeprefix(ARGUMENT)] = text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
    return found


def _installed(*names: str) -> str:
    with contextlib.suppress(metadata.PackageNotFoundError, IndexError):
        return metadata.version(names[0])
    return ""


def _read(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(data))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A user without a name, as in some containers.
        return ""
