"""An exception of a job is raised in the notebook as it was: its type, its attributes, its lines."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_trainjob.client import cells, raising
from jupyter_trainjob.worker import results
from jupyter_trainjob.worker.raising import dump

from .conftest import KEY, Notebook, Ran

BEFORE = """
class Plain(Exception):
    pass

class Demanding(ValueError):
    def __init__(self, code, *, unit):
        super().__init__(f"code {code} {unit}")
        self.code = code

def deep(depth):
    if depth == 0:
        return {}["missing"]
    return deep(depth - 1)
"""


def raised(ran: Ran, *, file_of: Callable[[str], str] = str) -> Any:
    (message,) = [message for message in ran.messages if message.kind == "raised"]
    return raising.rebuilt(message.body, key=KEY, rank=0, file_of=file_of)


@pytest.fixture
def at_home(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """The notebook as the main module of this process, as it is where results are read."""
    monkeypatch.setitem(sys.modules, "__main__", notebook.module)
    notebook.run(BEFORE)
    return notebook


SAME: dict[str, str] = {
    "a builtin": "raise ValueError('no', 3)",
    "one by Python itself": "1 / 0",
    "one with fields": "open('/nowhere/at/all')",
    "one that is made of five things": "b'\\xff'.decode()",
    "a library's": "import json\njson.loads('{')",
    "the notebook's": "raise Plain('no')",
    "the notebook's, whose init wants more": "raise Demanding(7, unit='px')",
    "one with notes": "error = KeyError('a')\nerror.__notes__ = ['look here']\nraise error",
}


@pytest.mark.parametrize("cell", SAME.values(), ids=SAME.keys())
def test_it_is_the_very_exception(at_home: Notebook, cell: str) -> None:
    with pytest.raises(Exception) as here:  # noqa: PT011 - each its own
        exec(compile(cell, "here", "exec"), dict(at_home.names))
    there = raised(at_home.job(cell))
    assert type(there) is type(here.value)
    assert (str(there), there.args) == (str(here.value), here.value.args)
    assert vars(there).keys() >= vars(here.value).keys()
    assert getattr(there, "errno", None) == getattr(here.value, "errno", None)


def test_its_traceback_has_the_notebooks_lines(at_home: Notebook) -> None:
    there = raised(at_home.job("x = 1\ny = deep(2)"))
    entries = traceback.extract_tb(there.__traceback__)
    assert [(entry.filename, entry.lineno, entry.name) for entry in entries] == [
        ("Cell [12]", 2, "<module>"),
        ("/tmp/ipykernel_0/1.py", 13, "deep"),
        ("/tmp/ipykernel_0/1.py", 13, "deep"),
        ("/tmp/ipykernel_0/1.py", 12, "deep"),
    ]
    text = "".join(traceback.format_exception(there))
    assert 'return {}["missing"]' in text
    if sys.version_info >= (3, 11):
        assert "~~^^^^^^^^^^^" in text


def test_ipython_shows_it_as_an_error_of_its_own(at_home: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    """With the lines around, in the cells' own names; only what the functions were called with is not known."""
    cell = "x = 1\n\ny = deep(x)\nz = 2"

    def shown() -> str:
        plain = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
        return re.sub(r", in deep\(.*\)", ", in deep()", plain[plain.index("KeyError") :]).strip()

    ipython = InteractiveShell.instance()
    try:
        ipython.run_cell(f"pass{BEFORE}", store_history=True)  # It drops empty lines at the beginning.
        ipython.run_cell(cell, store_history=True)
        here = shown()
        texts = {"/tmp/ipykernel_0/1.py": ("Cell [1]", BEFORE), "Cell [12]": ("Cell [2]", cell)}
        there = raised(at_home.job(cell), file_of=lambda name: cells.file_of(name, texts))
        ipython.showtraceback((type(there), there, there.__traceback__), tb_offset=0)
        assert shown() == here
        assert "----> 3 y = deep(x)\n      4 z = 2" in here
    finally:
        InteractiveShell.clear_instance()


def test_what_it_came_from_comes_along(at_home: Notebook) -> None:
    cell = "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise Plain('more') from error"
    there = raised(at_home.job(cell))
    assert isinstance(there.__cause__, ZeroDivisionError)
    assert traceback.extract_tb(there.__cause__.__traceback__)[-1].lineno == 2
    silent = raised(at_home.job("try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise Plain('less') from None"))
    assert (silent.__cause__, silent.__suppress_context__) == (None, True)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_a_group_has_its_members_with_their_lines(at_home: Notebook) -> None:
    cell = "errors = []\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    errors.append(e)\n"
    there = raised(at_home.job(f"{cell}raise ExceptionGroup('many', [*errors, Plain('x')])"))
    assert [type(each).__name__ for each in there.exceptions] == ["ZeroDivisionError", "Plain"]
    assert traceback.extract_tb(there.exceptions[0].__traceback__)[-1].lineno == 3


def test_what_is_not_here_has_a_stand_in(at_home: Notebook) -> None:
    cell = "class Local(LookupError):\n    pass\nraise Local({1: 2}, open('/dev/null'))"
    there = raised(at_home.job(cell))
    assert isinstance(there, LookupError)
    assert (type(there).__name__, type(there).__module__) == ("Local", "__main__")
    assert "{1: 2}" in str(there)


def test_one_that_cannot_be_taken_apart_is_told_as_text(at_home: Notebook) -> None:
    ran = at_home.job("error = ValueError('no')\nerror.exceptions = None\nraise error")
    assert ran.said("error")[0]["message"] == "no"
    assert ran.code == 1
    assert [end["ok"] for end in ran.said("end")] == [False]


def test_what_ends_a_program_is_not_raised(at_home: Notebook) -> None:
    for cell in ("raise SystemExit(3)", "raise KeyboardInterrupt"):
        assert [message.kind for message in at_home.job(cell).messages if message.kind == "raised"] == []


def test_deep_recursion_stays_small(at_home: Notebook) -> None:
    ran = at_home.job("def f():\n    f()\nf()")
    (message,) = [message for message in ran.messages if message.kind == "raised"]
    assert len(message.body) < 50_000
    assert isinstance(raised(ran), RecursionError)


def test_nothing_unsigned_is_read() -> None:
    body = dump(ValueError("x"), key=b"other", rank=0)
    with pytest.raises(results.ForgedResult):
        raising.rebuilt(body, key=KEY, rank=0, file_of=str)
    with pytest.raises(results.ForgedResult):
        raising.rebuilt(dump(ValueError("x"), key=KEY, rank=1), key=KEY, rank=0, file_of=str)
    with pytest.raises(Exception, match="it is no exception"):
        raising.rebuilt(results.dump(1, {}, key=KEY), key=KEY, rank=0, file_of=str)
