"""What a job that was sent is made of: for ``%trainjob details`` and the widget, as sections of rows of text.

In: the manifest of its bundle and its record. Out: texts alone, for people; `TrainJob.record` is for programs. Pure but
for `of`. A job that was written in YAML has neither, which one sentence says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.bundle.capture import THE_CALL
from jupyter_trainjob.client import exports, record
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.worker.manifest import Manifest, Recipe

NO_BUNDLE: Final = "This job was not sent from a notebook: its program stands in its YAML."
SHORT: Final = 60
"""Characters of a plain value that is shown where it came from."""


@dataclass(frozen=True)
class Section:
    """A heading with rows; all rows of a section have as many columns."""

    title: str
    rows: Sequence[tuple[str, ...]]


def of(connection: Connection, trainjob: Object) -> list[Section]:
    """Return the details of a job. Raises `errors.UsageError` where its bundle is gone."""
    manifest = exports.manifest_of(connection, trainjob)
    return described(manifest, record.of(connection, trainjob)) if manifest is not None else []


def described(manifest: Manifest, kept: Mapping[str, Any]) -> list[Section]:
    """Return what a manifest and a record say, without sections that would be empty."""
    recipes = {recipe.name: recipe for recipe in manifest.recipes}
    values = [
        (value.name, value.type, _size(value.size), _origin(recipes.get(value.name)))
        for value in manifest.values
        if value.name != THE_CALL
    ]
    modules = [
        (each.name, each.version, f"travelled, {_size(each.size)}" if each.size else "by name, from the runtime")
        for each in manifest.modules
    ]
    listed = {each.name for each in manifest.modules}
    versions = {**manifest.versions, **kept.get("packages", {})}
    sections = [
        Section("Values", values),
        Section("Modules", modules),
        Section("Files", [(name,) for name in manifest.files]),
        Section("Secrets", [(each.name, f"as the environment variable {each.env}") for each in manifest.secrets]),
        Section("Sent with", [(name, text) for name, text in sorted(versions.items()) if name not in listed and text]),
        Section("Record", _record(manifest, kept)),
    ]
    return [section for section in sections if section.rows]


def text(sections: Sequence[Section]) -> str:
    """Return sections as text for 80 columns, where names and types are not longer than usual."""
    lines = []
    for section in sections:
        widths = [max(len(row[column]) for row in section.rows) for column in range(len(section.rows[0]))]
        padded = [[f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)] for row in section.rows]
        lines += [section.title, *(f"  {'  '.join(row)}".rstrip() for row in padded)]
    return "\n".join(lines) or NO_BUNDLE


def _record(manifest: Manifest, kept: Mapping[str, Any]) -> list[tuple[str, str]]:
    cell, git, runtime = (kept.get(name) or {} for name in ("cell", "git", "runtime"))
    again = f"{kept.get('rerun_of', '')} at {kept.get('rerun_time', '')} by {kept.get('rerun_user', '')}"
    options = ", ".join(f"{name} {value}" for name, value in kept.get("options", {}).items())
    rows = {
        "code": f"{manifest.filename}, sha256 {cell['sha256'][:16]}" if cell else manifest.filename,
        "sent": f"{kept.get('time', '')} by {kept.get('user', '')}" if kept else "",
        "once more": again if "rerun_of" in kept else "",
        "notebook": kept.get("notebook") or "",
        "folder": kept.get("folder", ""),
        "git": _commit(git) if git else "",
        "runtime": (runtime.get("metadata") or {}).get("name", ""),
        "options": options,
        "seed": "" if manifest.seed is None else str(manifest.seed),
    }
    return [(name, text) for name, text in rows.items() if text]


def _commit(git: Mapping[str, Any]) -> str:
    on = f" on {git['branch']}" if git.get("branch") else ""
    return f"{git['commit'][:12]}{on}{', with changes' if git.get('dirty') else ''}"


def _origin(recipe: Recipe | None) -> str:
    if recipe is None:
        return ""
    if recipe.statement or recipe.literal:
        said = recipe.statement or recipe.literal
        return said if len(said) <= SHORT else f"{said[: SHORT - 1]}…"
    return f"{recipe.label}, line {recipe.line}" if recipe.label else ""


def _size(size: int) -> str:
    return f"{size:,} B" if size < 10_000 else f"{size / 1e6:,.2f} MB"
