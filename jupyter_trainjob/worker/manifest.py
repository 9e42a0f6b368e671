"""The manifest of ``job.pyz``: written by `bundle.archive`, read by the worker.

Named tuples, not dataclasses: creating six dataclasses takes longer than the rest of a rank's start.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

CELL: Final = "cell"
FUNCTION: Final = "function"


class Part(NamedTuple):
    """A file with a slice of the captured values, next to ``job.pyz`` or in the folder of `protocol.CAPTURES_ENV`."""

    file: str
    size: int
    sha256: str


class Source(NamedTuple):
    """Text of a notebook cell that captured functions come from, for tracebacks."""

    label: str
    """``Cell [3]``."""
    text: str


class Value(NamedTuple):
    """A captured value."""

    name: str
    type: str
    size: int


class Module(NamedTuple):
    """A module that the job imports."""

    name: str
    version: str
    size: int
    """Bytes that were sent; 0 for a module that is installed in the image."""


class Secret(NamedTuple):
    """A name of ``--secret``; the value is in a Secret of the job."""

    name: str
    env: str
    """The environment variable that holds the value in the pod."""
    variable: bool
    """Whether `name` is a variable of the notebook."""


class Change(NamedTuple):
    """Values by which a fork of a job replaces captured ones: a pickled dict."""

    part: Part
    names: tuple[str, ...]


class Recipe(NamedTuple):
    """Python source that defines a name of the notebook: at most one of statement, literal and label is set."""

    name: str
    type: str
    statement: str = ""
    """An import."""
    literal: str = ""
    """The text of a plain value."""
    label: str = ""
    """Label of the cell, among `Manifest.sources`, that defines it."""
    line: int = 0
    """Line of the definition in that cell."""


class Manifest(NamedTuple):
    """One job as its archive describes it."""

    job: str
    key: str
    """The key that signs results, in hex."""
    kind: str
    """`CELL`: run `source`; `FUNCTION`: call the captured function."""
    source: str
    filename: str
    """Name of `source` in tracebacks, as ``Cell [12]``."""
    out: tuple[str, ...]
    values: tuple[Value, ...]
    has_code: bool
    """Whether functions or classes were captured by value: these need the same Python version."""
    python: str
    """``3.11``."""
    versions: dict[str, str]
    parts: tuple[Part, ...]
    sources: dict[str, Source]
    """By file name in the code of captured functions."""
    recipes: tuple[Recipe, ...] = ()
    """Recipes of the values and of what their functions use, for exporting the job as code."""
    python_source: str = ""
    """`source` with IPython's commands replaced, on the same lines; empty if it has none."""
    code: tuple[Part, ...] = ()
    """An archive with local modules and the files of ``--file``."""
    files: tuple[str, ...] = ()
    """Paths of the files of ``--file`` in the job's working folder."""
    modules: tuple[Module, ...] = ()
    changes: tuple[Change, ...] = ()
    """The newest last."""
    seed: int | None = None
    """Seed of the ranks' random number generators, see `random_seeds`; None leaves them unseeded."""
    secrets: tuple[Secret, ...] = ()
    settings: dict[str, Any] = {}  # noqa: RUF012 - never modified
    """Settings of the notebook's process, see `process_settings`."""
    future: tuple[str, ...] = ()
    """Names that the notebook's earlier cells imported from ``__future__``."""
    imports: tuple[str, ...] = ()
    """Submodules that the code uses through their packages without importing them."""
    unsent: tuple[str, ...] = ()
    """Names that are defined in the notebook and were not sent."""

    def to_json(self) -> bytes:
        """Return the content of the manifest file."""
        fields = {
            **self._asdict(),
            "values": [value._asdict() for value in self.values],
            "parts": [part._asdict() for part in self.parts],
            "sources": {name: source._asdict() for name, source in self.sources.items()},
            "recipes": self.recipes,
        }
        return json.dumps(fields, indent=1, sort_keys=True).encode("ascii")

    @staticmethod
    def from_json(data: bytes) -> Manifest:
        """Parse the content of a manifest file."""
        fields = json.loads(data)
        parsed = {
            "out": tuple(fields["out"]),
            "values": tuple(Value(**value) for value in fields["values"]),
            "parts": tuple(Part(**part) for part in fields["parts"]),
            "sources": {name: Source(**source) for name, source in fields["sources"].items()},
            "recipes": tuple(Recipe(*recipe) for recipe in fields.get("recipes", ())),
            "code": tuple(Part(*part) for part in fields.get("code", ())),
            "files": tuple(fields.get("files", ())),
            "modules": tuple(Module(*module) for module in fields.get("modules", ())),
            "changes": tuple(Change(Part(*part), tuple(names)) for part, names in fields.get("changes", ())),
            "secrets": tuple(Secret(*secret) for secret in fields.get("secrets", ())),
            "future": tuple(fields.get("future", ())),
            "imports": tuple(fields.get("imports", ())),
            "unsent": tuple(fields.get("unsent", ())),
        }
        return Manifest(**{**fields, **parsed})
