"""The tests whose failures do not decide, with the reason and the day: ``tests/quarantine.txt``.

``python -m tests.suites.quarantine`` checks the list; ``--nightly`` also complains of old lines.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "tests" / "quarantine.txt"
MOST_LINES: Final = 10
OLDEST: Final = dt.timedelta(days=14)
_LINE: Final = re.compile(r"(?P<since>\d{4}-\d\d-\d\d) (?P<test>(?P<file>tests/[^:]+\.py)::.+?) # (?P<reason>\S.*)")


@dataclass(frozen=True)
class Entry:
    """One line."""

    since: dt.date
    test: str
    reason: str


def read(text: str) -> list[Entry]:
    """Return the entries of the list; lines that start with # and empty lines are comments.

    Raises ValueError at a line that is not `DATE TEST # REASON`.
    """
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise ValueError(f"line {number} is not `YYYY-MM-DD tests/…/test_….py::test_… # reason`: {line}")
        entries.append(Entry(dt.date.fromisoformat(match["since"]), match["test"], match["reason"]))
    return entries


def problems(entries: list[Entry], *, today: dt.date | None = None) -> list[str]:
    """Return what is wrong with the list; with `today`, also entries that are too old."""
    found = [f"{len(entries)} lines: at most {MOST_LINES} are allowed"] if len(entries) > MOST_LINES else []
    found += [f"no such file: {entry.test}" for entry in entries if not (ROOT / entry.test.split("::")[0]).exists()]
    if today is not None:
        found += [f"since {entry.since}: {entry.test}" for entry in entries if today - entry.since > OLDEST]
    return found


def main() -> int:
    """Print the problems of the list and return the exit code."""
    today = dt.datetime.now(tz=dt.timezone.utc).date() if "--nightly" in sys.argv else None
    found = problems(read(FILE.read_text()), today=today)
    for problem in found:
        print(f"tests/quarantine.txt: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
