"""Commands of the notebook in a job, beside what IPython does with the same cell."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_trainjob.bundle.syntax import plain
from jupyter_trainjob.worker import program, shell

SETUP = "n = 3\nword = 'two words'\nclass Box:\n    size = 7\nbox = Box()\n"

SAME: dict[str, str] = {
    "an expression": "x = !echo {n + 1}",
    "a name": "x = !echo $n $word",
    "an attribute": "x = !echo {box.size}",
    "an attribute of a name": "x = !echo $box.size",
    "a format": "x = !echo {n:04d} {word!r}",
    "a dollar sign of the shell": "x = !A=5; echo $$A",
    "a variable of the shell": "x = !echo $HOME",
    "braces of the shell": "x = !echo a | awk '{print $1}'",
    "quotes, backslashes and backticks": "x = !printf '%s\\n' \"it's\" `echo b`",
    "several lines": "x = !printf 'a\\nb\\n\\n'",
    "no line": "x = !true",
    "an emoji": "x = !echo 🚀",
    "a name that there is not": "x = !echo {nothing}",
    "a local name": "def f(k):\n    y = !echo {k}\n    return y\nx = f(5)",
    "an exit code": "!exit 7\nx = _exit_code",
    "the working folder": "x = %pwd",
    "a timed assignment": "%time x = n * 2",
    "a timed value": "x = %time n * 2",
    "a timed cell": "%%time\nx = n * 2",
    "captured output": "%%capture kept\nprint('said')\n!echo too",
}


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = ModuleType("__main__")
    module.__dict__.update(get_ipython=shell.get_ipython)
    exec(SETUP, module.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module.__dict__


@pytest.mark.parametrize("cell", SAME.values(), ids=SAME.keys())
def test_it_does_what_ipython_does(cell: str, main: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    ipython = InteractiveShell.instance()
    try:
        ipython.reset(new_session=True)
        ipython.run_cell(SETUP).raise_error()
        ipython.run_cell(cell).raise_error()
        # Commands have a terminal there.
        theirs = ipython.user_ns.get("x"), str(ipython.user_ns.get("kept")).replace("\r\n", "\n")
    finally:
        InteractiveShell.clear_instance()
    capfd.readouterr()
    program._run_cell(plain(cell, "Cell [1]"), "Cell [1]", main)
    ours = main.get("x"), str(main.get("kept"))
    assert ours == theirs


def test_output_is_the_jobs(main: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    program._run_cell(plain("print('before')\n!echo {n}; echo oh >&2\nprint('after')", "Cell [1]"), "Cell [1]", main)
    assert capfd.readouterr().out == "before\n3\noh\nafter\n"


def test_a_script_that_fails_raises(main: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="returned non-zero exit status 3"):
        program._run_cell(plain("%%bash\nexit 3", "Cell [1]"), "Cell [1]", main)
    assert main["_exit_code"] == 3


def test_files_folders_and_variables(
    main: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINJOB_A", "1")
    for cell in ("%%writefile a.txt\n{n} $n\n", "%mkdir -p b", "%cd b", "%env TRAINJOB_A={n}"):
        program._run_cell(plain(cell, "Cell [1]"), "Cell [1]", main)
    assert (tmp_path / "a.txt").read_text() == "{n} $n\n"
    assert (Path.cwd(), os.environ["TRAINJOB_A"]) == (tmp_path / "b", "3")
    assert "Writing a.txt" in capfd.readouterr().out


def test_an_error_stands_in_the_line_that_was_typed(main: dict[str, Any]) -> None:
    cell = "x = 1\n%time y = x / 0"
    with pytest.raises(ZeroDivisionError) as caught:
        program._run_cell(plain(cell, "Cell [1]"), "Cell [1]", main)
    lines = [entry.lineno for entry in caught.traceback if str(entry.path).endswith("Cell [1]")]
    assert [line + 1 for line in lines] == [2, 2]


def test_lines_come_home_as_ipythons() -> None:
    from IPython.utils.text import SList

    made, arguments = shell.Lines(["a", "b"]).__reduce__()
    home = made(*arguments)
    assert (type(home), home.s, home.n) == (SList, "a b", "a\nb")
    assert (shell.Lines(["a", "b"]).s, shell.Lines(["a", "b"]).n, shell.Lines(["a"]).l) == ("a b", "a\nb", ["a"])


def test_what_a_job_does_not_have_is_said() -> None:
    with pytest.raises(AttributeError, match="kernel: a job has no IPython"):
        _ = shell.get_ipython().kernel
    with pytest.raises(NotImplementedError, match="%who is a command for the notebook"):
        shell.get_ipython().run_line_magic("who", "")
    with pytest.raises(RuntimeError, match="nobody to ask"):
        shell.no_input("name? ")
