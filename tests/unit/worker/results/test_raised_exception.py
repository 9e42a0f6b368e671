"""Exceptions of a job are raised in the notebook with their type, attributes and lines."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_trainjob.client.results import remote_exception
from jupyter_trainjob.client.spec import cell_names
from jupyter_trainjob.worker.results import rank_results
from jupyter_trainjob.worker.results.raised_exception import dump_exception
from tests.unit.worker.conftest import KEY, Notebook, Ran

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
    return remote_exception.rebuild_exception(message.body, key=KEY, rank=0, file_of=file_of)


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
def test_result_raises_the_original_exception(at_home: Notebook, cell: str) -> None:
    with pytest.raises(Exception) as here:  # noqa: PT011 - each its own
        exec(compile(cell, "here", "exec"), dict(at_home.names))
    error = raised(at_home.job(cell))
    assert type(error) is type(here.value)
    assert (str(error), error.args) == (str(here.value), here.value.args)
    assert vars(error).keys() >= vars(here.value).keys()
    assert getattr(error, "errno", None) == getattr(here.value, "errno", None)


def test_traceback_has_the_notebooks_lines(at_home: Notebook) -> None:
    error = raised(at_home.job("x = 1\ny = deep(2)"))
    entries = traceback.extract_tb(error.__traceback__)
    assert [(entry.filename, entry.lineno, entry.name) for entry in entries] == [
        ("Cell [12]", 2, "<module>"),
        ("/tmp/ipykernel_0/1.py", 13, "deep"),
        ("/tmp/ipykernel_0/1.py", 13, "deep"),
        ("/tmp/ipykernel_0/1.py", 12, "deep"),
    ]
    text = "".join(traceback.format_exception(error))
    assert 'return {}["missing"]' in text
    if sys.version_info >= (3, 11):
        assert "~~^^^^^^^^^^^" in text


def test_ipython_shows_the_exception_like_a_local_one(at_home: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
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
        error = raised(at_home.job(cell), file_of=lambda name: cell_names.file_of(name, texts))
        ipython.showtraceback((type(error), error, error.__traceback__), tb_offset=0)
        assert shown() == here
        assert "----> 3 y = deep(x)\n      4 z = 2" in here
    finally:
        InteractiveShell.clear_instance()


def test_cause_of_the_exception_is_kept(at_home: Notebook) -> None:
    cell = "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise Plain('more') from error"
    error = raised(at_home.job(cell))
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert traceback.extract_tb(error.__cause__.__traceback__)[-1].lineno == 2
    silent = raised(at_home.job("try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise Plain('less') from None"))
    assert (silent.__cause__, silent.__suppress_context__) == (None, True)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_members_of_an_exception_group_keep_their_lines(at_home: Notebook) -> None:
    cell = "errors = []\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    errors.append(e)\n"
    error = raised(at_home.job(f"{cell}raise ExceptionGroup('many', [*errors, Plain('x')])"))
    assert [type(member).__name__ for member in error.exceptions] == ["ZeroDivisionError", "Plain"]
    assert traceback.extract_tb(error.exceptions[0].__traceback__)[-1].lineno == 3


def test_exception_of_a_missing_class_has_a_substitute(at_home: Notebook) -> None:
    cell = "class Local(LookupError):\n    pass\nraise Local({1: 2}, open('/dev/null'))"
    error = raised(at_home.job(cell))
    assert isinstance(error, LookupError)
    assert (type(error).__name__, type(error).__module__) == ("Local", "__main__")
    assert "{1: 2}" in str(error)


def test_unpicklable_exception_is_reported_as_text(at_home: Notebook) -> None:
    ran = at_home.job("error = ValueError('no')\nerror.exceptions = None\nraise error")
    assert ran.bodies("error")[0]["message"] == "no"
    assert ran.code == 1
    assert [end["ok"] for end in ran.bodies("end")] == [False]


def test_system_exit_is_not_raised(at_home: Notebook) -> None:
    for cell in ("raise SystemExit(3)", "raise KeyboardInterrupt"):
        assert [message.kind for message in at_home.job(cell).messages if message.kind == "raised"] == []


def test_deep_recursion_stays_small(at_home: Notebook) -> None:
    ran = at_home.job("def f():\n    f()\nf()")
    (message,) = [message for message in ran.messages if message.kind == "raised"]
    assert len(message.body) < 50_000
    assert isinstance(raised(ran), RecursionError)


def test_unsigned_exception_is_not_unpickled() -> None:
    body = dump_exception(ValueError("x"), key=b"other", rank=0)
    with pytest.raises(rank_results.ForgedResult):
        remote_exception.rebuild_exception(body, key=KEY, rank=0, file_of=str)
    with pytest.raises(rank_results.ForgedResult):
        remote_exception.rebuild_exception(
            dump_exception(ValueError("x"), key=KEY, rank=1), key=KEY, rank=0, file_of=str
        )
    with pytest.raises(Exception, match="it is no exception"):
        remote_exception.rebuild_exception(rank_results.dump_result(1, {}, key=KEY).body, key=KEY, rank=0, file_of=str)
