"""What ``--dry-run`` prints: all that would travel, in 80 columns, then the objects as YAML.

In: a job that is prepared and not sent. Out: text. Values are told by name, type, size and origin, never by what is in
them. Notes are printed before it, as they are for a job that is sent.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.bundle import credentials
from jupyter_trainjob.bundle.capture import THE_CALL
from jupyter_trainjob.worker.hidden import MASK

if TYPE_CHECKING:
    from jupyter_trainjob.client.submit import Prepared

COLUMNS: Final = 80
WIDEST: Final = (20, 24, 15)
"""Of name, type and size, the latter as wide as a terabyte; the origin has the rest."""


def describe(prepared: Prepared) -> str:
    """Return what would be sent."""
    import yaml

    secrets = len(prepared.delivery.secrets)
    way = f"{secrets} Secret{'s' if secrets > 1 else ''}{' and a file' if prepared.delivery.files else ''}"
    rows = [
        (each.name, each.type, f"{each.size:,} B", each.origin)
        for each in prepared.capture.names
        if each.name != THE_CALL
    ]
    objects = [obj for obj in (prepared.runtime, prepared.trainjob) if obj is not None]
    return "\n".join(
        [
            "Nothing was sent. This would travel:",
            *(table(rows) or ["  no names"]),
            f"  {prepared.capture.payload.size:,} B in {way}",
            *_modules(prepared),
            *(f"  secret {each.name}, as the variable {each.env} of each rank" for each in prepared.capture.secrets),
            "---",
            yaml.safe_dump_all(map(_shown, objects), sort_keys=False, allow_unicode=True),
        ]
    )


def _shown(manifest: Object) -> Object:
    """Return an object without values of environment variables that look like credentials."""
    trainer = manifest["spec"].get("trainer") or {}
    if not trainer.get("env"):
        return manifest
    told = credentials.kinds_of({each["name"]: each.get("value", "") for each in trainer["env"]})
    env = [{**each, "value": MASK} if each["name"] in told else each for each in trainer["env"]]
    return {**manifest, "spec": {**manifest["spec"], "trainer": {**trainer, "env": env}}}


def table(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Return name, type, size and origin in columns; what does not fit loses its end, a type its beginning."""
    widths = [min(most, max((len(row[column]) for row in rows), default=0)) for column, most in enumerate(WIDEST)]
    rest = COLUMNS - sum(widths) - 8
    return [
        f"  {_fit(name, widths[0]):<{widths[0]}}  {_fit_end(kind, widths[1]):<{widths[1]}}  "
        f"{size:>{widths[2]}}  {_fit(origin, rest)}".rstrip()
        for name, kind, size, origin in rows
    ]


def _modules(prepared: Prepared) -> list[str]:
    """Return the modules and files that travel, and the modules that the job finds where it runs."""
    modules, files = prepared.capture.modules, prepared.capture.files
    lines = [
        _fit(f"  module {f'{each.name} {each.version}'.rstrip()}: {len(each.files)} file(s), {each.size:,} B", COLUMNS)
        for each in modules
        if each.by_value
    ]
    lines += [f"  file {_fit_end(name, 48)}: {path.stat().st_size:,} B" for name, path in files.items()]
    named = [f"{each.name} {each.version}".rstrip() for each in modules if not each.by_value]
    by_name = f"by name, where it runs: {', '.join(named)}"
    return [*lines, *textwrap.wrap(by_name, COLUMNS, initial_indent="  ", subsequent_indent="    ")] if named else lines


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _fit_end(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[1 - width :]}"
