from __future__ import annotations

import datetime as dt

import pytest

from tests.suites.quarantine import MOST_LINES, Entry, problems, read

LINE = "2026-12-03 tests/unit/suites/test_quarantine.py::test_entries[a b] # its port is taken"
ENTRY = Entry(dt.date(2026, 12, 3), "tests/unit/suites/test_quarantine.py::test_entries[a b]", "its port is taken")


def test_entries() -> None:
    assert read(f"# comment\n\n{LINE}\n") == [ENTRY]


@pytest.mark.parametrize(
    "line", ["tests/a.py::test_a # no day", "2026-12-03 tests/a.py::test_a", "2026-12-03 a.py::test_a # elsewhere"]
)
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line 1 is not"):
        read(line)


def test_problems() -> None:
    gone = Entry(dt.date(2026, 12, 3), "tests/gone.py::test_a", "x")
    assert problems([ENTRY]) == []
    assert problems([gone]) == ["no such file: tests/gone.py::test_a"]
    assert problems([ENTRY] * (MOST_LINES + 1)) == ["11 lines: at most 10 are allowed"]
    assert problems([ENTRY], today=dt.date(2026, 12, 17)) == []
    assert problems([ENTRY], today=dt.date(2026, 12, 18)) == [f"since 2026-12-03: {ENTRY.test}"]
