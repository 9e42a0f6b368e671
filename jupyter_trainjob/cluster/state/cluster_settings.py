"""Settings of the embedded cluster: retention of finished jobs, and idle timeouts of its processes.

In: ``TRAINJOB_…`` variables, else ``trainjob.json`` in Jupyter's configuration folders (``jupyter --paths``; the first
that has a setting counts). Out: one `Settings`. The daemon reads them when it starts, and the launcher before that, so
that an invalid setting is an error for the user and not only a line in a log.
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

FILE_NAME = "trainjob.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a daemon. Zero disables a limit."""

    keep_days: float = 14.0
    """Days after which a finished job is deleted with its logs, folder and history (``TRAINJOB_KEEP_DAYS``)."""
    keep_gib: float = 10.0
    """GiB that finished jobs may use; beyond it the oldest are deleted first (``TRAINJOB_KEEP_GIB``)."""
    idle_minutes: float = 30.0
    """Minutes without jobs and requests after which daemon and fork servers exit (``TRAINJOB_IDLE_MINUTES``)."""
    fork_servers: float = 3.0
    """Number of fork servers that are kept running (``TRAINJOB_FORK_SERVERS``)."""


def load_settings(*, environ: Mapping[str, str] | None = None, folders: Iterable[Path] | None = None) -> Settings:
    """Return the settings of this user. Raises `errors.UsageError` for an unknown or invalid setting."""
    environ = os.environ if environ is None else environ
    values: dict[str, float] = {}
    for path in (folder / FILE_NAME for folder in (_folders() if folders is None else folders)):
        for name, value in _read(path).items():
            values.setdefault(name, _number(value, f"{name} in {path}"))
    for field in fields(Settings):
        variable = f"TRAINJOB_{field.name.upper()}"
        if text := environ.get(variable, "").strip():
            values[field.name] = _number(text, variable)
    return Settings(**values)


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
    names = [field.name for field in fields(Settings)]
    if not isinstance(document, dict) or (unknown := sorted(document.keys() - set(names))):
        problem = f"has {', '.join(unknown)}" if isinstance(document, dict) else "is not an object"
        raise errors.UsageError(f"{path} {problem}, but the settings are {', '.join(names)}. Correct the file.")
    return document


def _number(value: object, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise errors.UsageError(f"{where} is {value!r}, but must be a number, 0 or more (0: no limit).")
    return number
