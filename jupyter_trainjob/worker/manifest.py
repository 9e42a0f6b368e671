"""What ``job.pyz`` says about itself: written by ``bundle.archive``, read by the worker."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Final

CELL: Final = "cell"
FUNCTION: Final = "function"


@dataclass(frozen=True)
class Part:
    """A file with a stretch of the captured values, next to ``job.pyz`` or in the folder of `protocol.CAPTURES_ENV`."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """Text of a notebook cell that captured functions come from, for tracebacks."""

    label: str
    """``Cell [3]``."""
    text: str


@dataclass(frozen=True)
class Value:
    """A captured value."""

    name: str
    type: str
    size: int


@dataclass(frozen=True)
class Manifest:
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
    sources: dict[str, Source] = field(default_factory=dict)
    """By the file name that the code of captured functions carries."""

    def to_json(self) -> bytes:
        """Return the manifest as a file."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True).encode("ascii")

    @staticmethod
    def from_json(data: bytes) -> Manifest:
        """Read the file."""
        fields = json.loads(data)
        return Manifest(
            **{
                **fields,
                "out": tuple(fields["out"]),
                "values": tuple(Value(**value) for value in fields["values"]),
                "parts": tuple(Part(**part) for part in fields["parts"]),
                "sources": {name: Source(**source) for name, source in fields["sources"].items()},
            }
        )
