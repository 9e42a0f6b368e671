"""The output of ``--dry-run``: everything that would be sent, then the objects as YAML.

Captured values are listed by name, type, size and origin, without their content. Notes are printed before, as for a job
that is sent.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.bundle import credential_scan
from jupyter_trainjob.bundle.capture import THE_CALL
from jupyter_trainjob.worker.output.secret_masking import MASK

if TYPE_CHECKING:
    from jupyter_trainjob.client.submit import Prepared

MAX_COLUMNS: Final = 80
MAX_WIDTHS: Final = (20, 24, 15)
"""Maximum widths of name, type and size; the origin gets the rest."""


def describe(prepared: Prepared) -> str:
    """Return a description of what would be sent."""
    import yaml

    secrets = len(prepared.delivery.secrets)
    transport = f"{secrets} Secret{'s' if secrets > 1 else ''}{' and a file' if prepared.delivery.files else ''}"
    rows = [
        (value.name, value.type, f"{value.size:,} B", value.origin)
        for value in prepared.capture.names
        if value.name != THE_CALL
    ]
    objects = [obj for obj in (prepared.runtime, prepared.trainjob) if obj is not None]
    return "\n".join(
        [
            "Nothing was sent. The job would contain:",
            *(table(rows) or ["  no names"]),
            f"  {prepared.capture.payload.size:,} B in {transport}",
            *_modules(prepared),
            *(
                f"  secret {secret.name}, as the variable {secret.env} of each rank"
                for secret in prepared.capture.secrets
            ),
            "---",
            yaml.safe_dump_all(map(_mask_credentials, objects), sort_keys=False, allow_unicode=True),
        ]
    )


def _mask_credentials(manifest: KubeObject) -> KubeObject:
    """Mask the values of an object's environment variables that look like credentials."""
    trainer = manifest["spec"].get("trainer") or {}
    if not trainer.get("env"):
        return manifest
    credentials = credential_scan.credential_kinds(
        {variable["name"]: variable.get("value", "") for variable in trainer["env"]}
    )
    env = [{**variable, "value": MASK} if variable["name"] in credentials else variable for variable in trainer["env"]]
    return {**manifest, "spec": {**manifest["spec"], "trainer": {**trainer, "env": env}}}


def table(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Format rows of name, type, size and origin as columns; long cells lose their end, types their start."""
    widths = [min(most, max((len(row[column]) for row in rows), default=0)) for column, most in enumerate(MAX_WIDTHS)]
    rest = MAX_COLUMNS - sum(widths) - 8
    return [
        f"  {_cut_end(name, widths[0]):<{widths[0]}}  {_cut_start(kind, widths[1]):<{widths[1]}}  "
        f"{size:>{widths[2]}}  {_cut_end(origin, rest)}".rstrip()
        for name, kind, size, origin in rows
    ]


def _modules(prepared: Prepared) -> list[str]:
    """List the modules and files that are sent, and the modules that are imported where the job runs."""
    modules, files = prepared.capture.modules, prepared.capture.files
    lines = [
        _cut_end(
            f"  module {f'{module.name} {module.version}'.rstrip()}: {len(module.files)} file(s), {module.size:,} B",
            MAX_COLUMNS,
        )
        for module in modules
        if module.by_value
    ]
    lines += [f"  file {_cut_start(name, 48)}: {path.stat().st_size:,} B" for name, path in files.items()]
    named = [f"{module.name} {module.version}".rstrip() for module in modules if not module.by_value]
    by_name = f"by name, where it runs: {', '.join(named)}"
    return (
        [*lines, *textwrap.wrap(by_name, MAX_COLUMNS, initial_indent="  ", subsequent_indent="    ")]
        if named
        else lines
    )


def _cut_end(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cut_start(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[1 - width :]}"
