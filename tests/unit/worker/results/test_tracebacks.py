"""Tracebacks name the cell, the line and the cause, within a size limit."""

from __future__ import annotations

import linecache
import sys
from typing import Any

import pytest

from jupyter_trainjob.worker.results import tracebacks

CELL = "/tmp/ipykernel_1/cell.py"
CELLS = {CELL: r"Cell [7\1]"}


def raised(source: str) -> Exception:
    linecache.cache[CELL] = (len(source), None, source.splitlines(keepends=True), CELL)
    try:
        exec(compile(source, CELL, "exec"), {"__name__": "__main__"})
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("it did not raise")


def test_location_is_the_innermost_line_of_the_cell() -> None:
    error = tracebacks.describe_error(raised("import json\ndef f(x):\n    return json.loads(x)\nf('{')"), CELLS)
    assert (error["where"], error["source"]) == (r"Cell [7\1], line 3", "return json.loads(x)")
    assert (error["module"], error["type"]) == ("json.decoder", "JSONDecodeError")
    assert '  File "' in error["traceback"]
    assert r"  Cell [7\1], line 4, in <module>" in error["traceback"]


def test_chained_exceptions_are_shown_in_order() -> None:
    error = tracebacks.describe_error(
        raised("try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('no a') from e"), CELLS
    )
    assert error["where"] == r"Cell [7\1], line 4"
    assert error["traceback"].index("KeyError: 'a'") < error["traceback"].index("direct cause")
    assert error["traceback"].rstrip().endswith("ValueError: no a")


def test_exception_without_a_line_of_the_cell_has_the_location_of_its_cause() -> None:
    source = "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    cause = e\n\n\nraise cause.with_traceback(None)"
    assert tracebacks.describe_error(raised(source), CELLS)["where"] == r"Cell [7\1], line 7"
    outer = RuntimeError("outer")
    outer.__cause__ = raised("\n\n1 / 0")
    assert tracebacks.describe_error(outer, CELLS)["where"] == r"Cell [7\1], line 3"


def test_file_name_may_begin_with_a_digit() -> None:
    shown = tracebacks.describe_error(raised("1 / 0"), {CELL: "01-train.py"})
    assert "  01-train.py, line 1, in <module>" in shown["traceback"]


def test_exception_outside_of_the_cell_has_no_location() -> None:
    error = tracebacks.describe_error(OSError(2, "No such file", "x"), CELLS)
    assert (error["where"], error["source"]) == ("", "")
    assert tracebacks.headline(error) == "FileNotFoundError: [Errno 2] No such file: 'x'"


HEADLINES: dict[str, tuple[str, str]] = {
    "a builtin": ("raise ValueError('a\\nb')", r"ValueError: a (Cell [7\1], line 1)"),
    "without text": ("raise ValueError", r"ValueError (Cell [7\1], line 1)"),
    "of a library": ("import json\njson.loads('')", "json.decoder.JSONDecodeError: Expecting value"),
    "of the notebook": ("class Mine(Exception): ...\nraise Mine(1)", r"Mine: 1 (Cell [7\1], line 2)"),
    "a missing key": ("{}['a']", r"KeyError: 'a' (Cell [7\1], line 1)"),
}


@pytest.mark.parametrize(("source", "line"), HEADLINES.values(), ids=HEADLINES.keys())
def test_headline_is_one_line(source: str, line: str) -> None:
    headline = tracebacks.headline(tracebacks.describe_error(raised(source), CELLS))
    assert headline.startswith(line)
    assert "\n" not in headline


LONG: dict[str, str] = {
    "a text of a megabyte": "raise ValueError('é' * 1_000_000)",
    "a recursion without end": "def f(): f()\nf()",
    "a long chain": "def f(n):\n  try:\n    if n: f(n - 1)\n  finally:\n    raise ValueError('x' * 300)\nf(150)",
    "text that is no unicode": "raise ValueError('\\ud800' * 50_000)",
}


@pytest.mark.parametrize("source", LONG.values(), ids=LONG.keys())
def test_long_traceback_is_cut_in_the_middle(source: str) -> None:
    error = tracebacks.describe_error(raised(source), CELLS)
    assert len(error["traceback"].encode(errors="surrogatepass")) <= tracebacks.LIMIT
    assert len(error["message"].encode(errors="surrogatepass")) <= tracebacks.MESSAGE_LIMIT
    assert error["traceback"].startswith("Traceback")


def test_exception_with_a_failing_str_is_reported() -> None:
    error = tracebacks.describe_error(
        raised("class Bad(Exception):\n    def __str__(self): raise OSError\nraise Bad"), CELLS
    )
    assert error["message"] == "<its text cannot be made: OSError>"
    assert error["where"] == r"Cell [7\1], line 3"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups are of Python 3.11")
def test_exceptions_of_a_group_are_reported() -> None:
    error: Any = tracebacks.describe_error(raised("raise ExceptionGroup('two', [ValueError(1), TypeError(2)])"), CELLS)
    assert "ValueError: 1" in error["traceback"]
    assert r"Cell [7\1], line 1" in error["traceback"]
