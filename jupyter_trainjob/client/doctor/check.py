"""One thing that the doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OK: Final = "ok"
NOTE: Final = "note"
"""Works, with a limit that is good to know."""
PROBLEM: Final = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, the verdict, what was seen, and what to do about it."""

    name: str
    verdict: str
    what: str
    what_to_do: str = ""
