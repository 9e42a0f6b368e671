"""What ``job.pyz`` says about itself: written by ``bundle.archive``, read by the worker.

Named tuples, not dataclasses: making six of those takes longer than all the rest of a rank's start.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

CELL: Final = "cell"
FUNCTION: Final = "function"


class Part(NamedTuple):
    """A file with a stretch of the captured values, next to ``job.pyz`` or in the folder of `protocol.CAPTURES_ENV`."""

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
    """Bytes that travelled; 0 for one that the job finds where it runs."""


class Secret(NamedTuple):
    """A value of ``--secret``; the value itself is in a Secret of the job."""

    name: str
    env: str
    """The environment variable of the job that brings it."""
    variable: bool
    """Whether `name` is a variable of the notebook."""


class Change(NamedTuple):
    """Values that a fork of a job put in the place of captured ones: a pickled dict."""

    part: Part
    names: tuple[str, ...]


class Recipe(NamedTuple):
    """How to write a name of the notebook again as Python: at most one of the ways is filled in."""

    name: str
    type: str
    statement: str = ""
    """An import."""
    literal: str = ""
    """The text of a plain value."""
    label: str = ""
    """The cell whose text, among `Manifest.sources`, defines it,"""
    line: int = 0
    """and where."""


class Manifest(NamedTuple):
    """One job as its archive describes it."""

    job: str
    key: str
    """The key that signs results, in hex."""
    kind: str
    """`CELL`: run `source`; `FUNCTION`: call the captured function."""
    source: str
    filename: str
    """``Cell [12]``: how tracebacks call `source`."""
    out: tuple[str, ...]
    values: tuple[Value, ...]
    has_code: bool
    """Whether functions or classes travel by value: these need the Python that they were made with."""
    python: str
    """``3.11``."""
    versions: dict[str, str]
    parts: tuple[Part, ...]
    sources: dict[str, Source]
    """By the file name that the code of captured functions carries."""
    recipes: tuple[Recipe, ...] = ()
    """Of the values, and of what their functions use: for exporting the job as code."""
    python_source: str = ""
    """`source` without commands of the notebook, where it has any; on the same lines."""
    code: tuple[Part, ...] = ()
    """An archive with local modules and the files of ``--file``."""
    files: tuple[str, ...] = ()
    """The latter, by where they lie in the job's working folder."""
    modules: tuple[Module, ...] = ()
    changes: tuple[Change, ...] = ()
    """The newest last."""
    seed: int | None = None
    """What the ranks' random numbers begin from, see `seeds`; None: each begins somewhere else every time."""
    secrets: tuple[Secret, ...] = ()
    settings: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    """Of the notebook's process, see `settings`."""
    future: tuple[str, ...] = ()
    """What the notebook's earlier cells imported from ``__future__``."""

    def to_json(self) -> bytes:
        """Return the manifest as a file."""
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
        """Read the file."""
        fields = json.loads(data)
        read = {
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
        }
        return Manifest(**{**fields, **read})
