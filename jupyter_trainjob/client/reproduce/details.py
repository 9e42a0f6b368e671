"""The contents of a submitted job, as sections of rows, for ``%trainjob details`` and the widget.

The sections come from the manifest of the bundle and the record; a job that was created from YAML has neither. All
values are texts for people; programs use `TrainJob.record`. Pure, except for `job_details`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.bundle.capture import THE_CALL
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.reproduce import provenance
from jupyter_trainjob.client.spec.stored_job import StoredJob
from jupyter_trainjob.worker.manifest import Manifest, Recipe

NO_BUNDLE: Final = "This job was not sent from a notebook: its program is in its YAML."
SHORT: Final = 60
"""Maximum length of a plain value that is shown as its origin."""


@dataclass(frozen=True)
class Section:
    """A heading with rows; all rows of a section have the same number of columns."""

    title: str
    rows: Sequence[tuple[str, ...]]


def job_details(connection: Connection, trainjob: KubeObject) -> list[Section]:
    """Return the details of a job. Raises `errors.UsageError` if its bundle was deleted."""
    manifest = StoredJob(connection, trainjob).manifest
    return describe_bundle(manifest, provenance.job_record(connection, trainjob)) if manifest is not None else []


def describe_bundle(manifest: Manifest, record: Mapping[str, Any]) -> list[Section]:
    """Return the contents of a manifest and a record, without empty sections."""
    recipes = {recipe.name: recipe for recipe in manifest.recipes}
    values = [
        (value.name, value.type, _size(value.size), _origin(recipes.get(value.name)))
        for value in manifest.values
        if value.name != THE_CALL
    ]
    modules = [
        (
            module.name,
            module.version,
            f"sent as files, {_size(module.size)}" if module.size else "by name, from the runtime",
        )
        for module in manifest.modules
    ]
    listed = {module.name for module in manifest.modules}
    versions = {**manifest.versions, **record.get("packages", {})}
    sections = [
        Section("Values", values),
        Section("Modules", modules),
        Section("Files", [(name,) for name in manifest.files]),
        Section("Secrets", [(secret.name, f"as the environment variable {secret.env}") for secret in manifest.secrets]),
        Section("Sent with", [(name, text) for name, text in sorted(versions.items()) if name not in listed and text]),
        Section("Record", _record(manifest, record)),
    ]
    return [section for section in sections if section.rows]


def format_details(sections: Sequence[Section]) -> str:
    """Return sections as text, which fits into 80 columns for names and types of usual length."""
    lines = []
    for section in sections:
        widths = [max(len(row[column]) for row in section.rows) for column in range(len(section.rows[0]))]
        padded = [[f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)] for row in section.rows]
        lines += [section.title, *(f"  {'  '.join(row)}".rstrip() for row in padded)]
    return "\n".join(lines) or NO_BUNDLE


def _record(manifest: Manifest, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    cell, git, runtime = (record.get(name) or {} for name in ("cell", "git", "runtime"))
    again = f"{record.get('rerun_of', '')} at {record.get('rerun_time', '')} by {record.get('rerun_user', '')}"
    options = ", ".join(f"{name} {value}" for name, value in record.get("options", {}).items())
    rows = {
        "code": f"{manifest.filename}, sha256 {cell['sha256'][:16]}" if cell else manifest.filename,
        "sent": f"{record.get('time', '')} by {record.get('user', '')}" if record else "",
        "once more": again if "rerun_of" in record else "",
        "notebook": record.get("notebook") or "",
        "folder": record.get("folder", ""),
        "git": _commit(git) if git else "",
        "runtime": (runtime.get("metadata") or {}).get("name", ""),
        "options": options,
        "seed": "" if manifest.seed is None else str(manifest.seed),
    }
    return [(name, format_details) for name, format_details in rows.items() if format_details]


def _commit(git: Mapping[str, Any]) -> str:
    on = f" on {git['branch']}" if git.get("branch") else ""
    return f"{git['commit'][:12]}{on}{', with changes' if git.get('dirty') else ''}"


def _origin(recipe: Recipe | None) -> str:
    if recipe is None:
        return ""
    if recipe.statement or recipe.literal:
        source = recipe.statement or recipe.literal
        return source if len(source) <= SHORT else f"{source[: SHORT - 1]}…"
    return f"{recipe.label}, line {recipe.line}" if recipe.label else ""


def _size(size: int) -> str:
    return f"{size:,} B" if size < 10_000 else f"{size / 1e6:,.2f} MB"
