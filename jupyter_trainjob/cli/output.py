"""What the command line prints for scripts: plain values as JSON or YAML, with the names that the Python API has."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_trainjob.client.snapshot import Snapshot

FORMATS = ("table", "json", "yaml")


def show(form: str, values: Any, *, table: Callable[[], str]) -> None:
    """Print `values` in the chosen form; `table` makes the text that people read."""
    if form == "json":
        print(json.dumps(_plain(values), indent=2, allow_nan=False))
    elif form == "yaml":
        import yaml

        print(yaml.safe_dump(_plain(values), sort_keys=False, allow_unicode=True), end="")
    else:
        print(table())


def job(snapshot: Snapshot) -> dict[str, Any]:
    """Return a job as plain values; its log is another command."""
    values = dataclasses.asdict(snapshot)
    del values["log"]
    return {**values, "state": snapshot.state.value, "progress": snapshot.progress}


def records(found: Sequence[Any]) -> list[dict[str, Any]]:
    """Return dataclasses as plain values."""
    return [dataclasses.asdict(each) for each in found]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no such numbers.
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
