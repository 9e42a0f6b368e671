"""Output of the command line for scripts: JSON or YAML with the names of the Python API."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_trainjob.client.snapshot import Snapshot

FORMATS = ("table", "json", "yaml")


def print_values(form: str, values: Any, *, table: Callable[[], str]) -> None:
    """Print `values` as one of `FORMATS`; `table` returns the text for ``table``."""
    if form == "json":
        print(json.dumps(_plain(values), indent=2, allow_nan=False))
    elif form == "yaml":
        import yaml

        print(yaml.safe_dump(_plain(values), sort_keys=False, allow_unicode=True), end="")
    else:
        print(table())


def job_values(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as plain values, without its log."""
    values = dataclasses.asdict(snapshot)
    del values["log"]
    return {**values, "state": snapshot.state.value, "progress": snapshot.progress}


def to_values(instances: Sequence[Any]) -> list[dict[str, Any]]:
    """Return instances of dataclasses as plain values."""
    return [dataclasses.asdict(instance) for instance in instances]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has neither NaN nor infinities.
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
