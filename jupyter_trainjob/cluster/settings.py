"""What a user may set about the embedded cluster: how long things are kept, and when its processes end by themselves.

In: ``TRAINJOB_…`` variables, else ``trainjob.json`` in Jupyter's configuration folders (``jupyter --paths``; the first
that names a setting counts). Out: one `Settings`. The daemon reads them when it starts; whoever starts it has read them
before, so that a mistake is an error in front of the user and not in a log.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from jupyter_trainjob import errors

FILE = "trainjob.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a daemon. Zero lifts a limit."""

    keep_days: float = 14.0
    """Days after which a finished job goes, with its logs, folder and history (``TRAINJOB_KEEP_DAYS``)."""
    keep_gib: float = 10.0
    """GiB that finished jobs may take; beyond it the oldest go first (``TRAINJOB_KEEP_GIB``)."""
    idle_minutes: float = 30.0
    """Minutes without jobs and requests after which daemon and fork servers end (``TRAINJOB_IDLE_MINUTES``)."""
    fork_servers: float = 3.0
    """How many interpreters are kept warm at a time (``TRAINJOB_FORK_SERVERS``)."""


def load(*, environ: Mapping[str, str] | None = None, folders: Iterable[Path] | None = None) -> Settings:
    """Return the settings of this user. Raises `errors.UsageError` for one that makes no sense."""
    environ = os.environ if environ is None else environ
    found: dict[str, float] = {}
    for path in (folder / FILE for folder in (_folders() if folders is None else folders)):
        for name, value in _read(path).items():
            found.setdefault(name, _number(value, f"{name} in {path}"))
    for field in fields(Settings):
        variable = f"TRAINJOB_{field.name.upper()}"
        if text := environ.get(variable, "").strip():
            found[field.name] = _number(text, variable)
    return Settings(**found)


def _folders() -> list[Path]:
    from jupyter_core.paths import jupyter_config_path

    return [Path(folder) for folder in jupyter_config_path()]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise errors.UsageError(f"The settings in {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise errors.UsageError(f"The settings in {path} are not JSON: {error}. Correct or remove the file.") from error
    known = [field.name for field in fields(Settings)]
    if not isinstance(document, dict) or (unknown := sorted(document.keys() - set(known))):
        what = f"names {', '.join(unknown)}" if isinstance(document, dict) else "is not an object"
        raise errors.UsageError(f"{path} {what}, but the settings are {', '.join(known)}. Correct the file.")
    return document


def _number(value: object, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise errors.UsageError(f"{where} is {value!r}, but must be a number, 0 or more (0: no limit).")
    return number
