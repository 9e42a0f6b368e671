"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OK: Final = "ok"
NOTE: Final = "note"
"""It works, with a limitation."""
PROBLEM: Final = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, with a remedy for problems."""

    name: str
    verdict: str
    message: str
    remedy: str = ""
