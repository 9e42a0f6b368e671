"""Shell commands of a notebook in a job, compared with IPython's results for the same cell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from IPython import version_info
from IPython.core.interactiveshell import InteractiveShell

from jupyter_trainjob.bundle.analysis.ipython_syntax import to_plain_python
from jupyter_trainjob.worker import cell_program
from jupyter_trainjob.worker.notebook import notebook_magics, shell
from tests.waiting import wait_for

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

SCRIPTS: dict[str, str] = {
    "a script's output": "%%bash --out x\necho {n} $n; echo hidden >&2",
    "a script's errors": "%%bash --err x\necho shown; echo kept >&2",
    "a script's arguments": "%%bash --out x -s {n} $word\necho $1 $2 $3",
    "a script reads its input to the end": "%%bash --out x\nread line\nthese words\necho $line",
    "a script in the shell of the system": "%%sh --out=x\nprintf 'a\\r\\nb 🚀'",
    "a script of a named program": "%%script --out x bash -e\necho $((1 + 2))",
    "a script of Python": "%%python3 --out x\nprint(1 + 2)",
    "a script that reads nothing": "%%script --out x true\n" + "line\n" * 40000,
    "a script that fails and may": "%%bash --no-raise-error --out x\necho a\nexit 4",
    "a script that is killed and may be": "%%bash --no-raise-error --out x\necho a\nkill -9 $$",
}


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = ModuleType("__main__")
    module.__dict__.update(get_ipython=shell.get_ipython)
    exec(SETUP, module.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module.__dict__


@pytest.mark.parametrize("cell", SAME.values(), ids=SAME.keys())
def test_commands_behave_as_in_ipython(cell: str, main: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    check_against_ipython(cell, main, capfd)


QUIET: dict[str, str] = {
    "an exception in a line": "x = 1\n%time --no-raise-error x = 2; 1 / 0",
    "none in a line": "%time --no-raise-error x = 2",
    "a value": "x = %time --no-raise-error n * 2",
    "an exception in a cell": "%%time --no-raise-error\nx = 1\n1 / 0\nx = 2",
}


@pytest.mark.skipif(version_info < (9,), reason="IPython 8 does not have the option")
@pytest.mark.parametrize("cell", QUIET.values(), ids=QUIET.keys())
def test_exception_of_a_timed_cell_may_be_suppressed(
    cell: str, main: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    check_against_ipython(cell, main, capfd)


def test_background_commands_are_not_awaited(
    main: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "go")
    cell = f"!printf 'begun 🚀'; (read line < {tmp_path / 'go'}; echo $line) & echo ' x'; exit 3"
    cell_program._run_cell(to_plain_python(cell, "Cell [1]"), "Cell [1]", main)
    assert (capfd.readouterr().out, main["_exit_code"]) == ("begun 🚀 x\n", 3)
    (tmp_path / "go").write_text("late\n")
    wait_for(lambda: capfd.readouterr().out == "late\n")


@pytest.mark.skipif(version_info < (9,), reason="IPython 8 keeps only the last piece of what a script writes")
@pytest.mark.parametrize("cell", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_scripts_behave_as_in_ipython(cell: str, main: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    check_against_ipython(cell, main, capfd)


def check_against_ipython(cell: str, main: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
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
    cell_program._run_cell(to_plain_python(cell, "Cell [1]"), "Cell [1]", main)
    ours = main.get("x"), str(main.get("kept"))
    assert ours == theirs


FOLDERS: dict[str, tuple[str, ...]] = {
    "a folder": ("%cd a",),
    "a folder, quietly": ("%cd -q a",),
    "the folder before": ("%cd a", "%cd b", "%cd -", "%cd -"),
    "the folder before, quietly": ("%cd a", "%cd -q -"),
    "a name with spaces": ("%cd 'two words'", "%cd ..", "%cd two words"),
    "a folder that there is not": ("%cd nothing", "%cd -q nothing"),
    "home": ("%cd", "%cd ~"),
    "a folder of a variable": ("%cd $word", "%cd ../{'a'}"),
    "no value": ("x = %cd -q a", "print(x)"),
}


@pytest.mark.filterwarnings("ignore:This is now an optional IPython functionality")
@pytest.mark.parametrize("cells", FOLDERS.values(), ids=FOLDERS.keys())
def test_cd_changes_to_the_same_folder_as_ipython(
    cells: tuple[str, ...],
    main: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("a/b", "two words"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(notebook_magics, "_VISITED_FOLDERS", [])
    monkeypatch.chdir(tmp_path)  # Before IPython remembers where it was.
    ipython = InteractiveShell.instance()
    try:
        ipython.run_cell(SETUP)
        ipython.home_dir = str(tmp_path)
        capfd.readouterr()
        for cell in cells:
            ipython.run_cell(cell).raise_error()
        theirs = Path.cwd(), capfd.readouterr().out
    finally:
        InteractiveShell.clear_instance()
    monkeypatch.chdir(tmp_path)
    for cell in cells:
        cell_program._run_cell(to_plain_python(cell, "Cell [1]"), "Cell [1]", main)
    assert (Path.cwd(), capfd.readouterr().out) == theirs


def test_cd_to_the_previous_folder_without_one_fails(main: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_magics, "_VISITED_FOLDERS", [])
    with pytest.raises(ValueError, match="there is no previous working folder"):
        shell.get_ipython().run_line_magic("cd", "-")


KEPT: dict[str, str] = {
    "what is printed": "%%capture kept\nimport sys\nprint(n)\nprint('oh', file=sys.stderr)",
    "the value at the end": "%%capture kept\nprint(n)\nn + 1",
    "what is displayed": "%%capture kept\ndisplay(n, word)\nbox.size",
    "without what is printed": "%%capture --no-stdout kept\nprint(1)\nn + 1",
    "without errors": "%%capture kept --no-stderr\nimport sys\nprint(n, file=sys.stderr)",
    "a timed cell": "%%capture kept\nfor i in range(2): print(i)\nNone",
}


@pytest.mark.parametrize("cell", KEPT.values(), ids=KEPT.keys())
def test_captured_output_equals_ipythons(cell: str, main: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    main["display"] = shell.display
    ipython = InteractiveShell.instance()
    try:
        ipython.run_cell(SETUP)
        ipython.run_cell(cell).raise_error()
        theirs = ipython.user_ns["kept"]
    finally:
        InteractiveShell.clear_instance()
    capfd.readouterr()
    cell_program._run_cell(to_plain_python(cell, "Cell [1]"), "Cell [1]", main)
    ours = main["kept"]
    makes, arguments = ours.__reduce__()
    home = makes(*arguments)
    assert type(home) is type(theirs)
    for captured in (ours, home):
        assert (captured.stdout, captured.stderr, str(captured)) == (theirs.stdout, theirs.stderr, str(theirs))
        assert [output.data for output in captured.outputs] == [output.data for output in theirs.outputs]
    capfd.readouterr()
    ours.show()
    assert capfd.readouterr().out.startswith(theirs.stdout)


def test_uncaptured_output_is_shown(main: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    main["display"] = shell.display
    cell = to_plain_python("%%capture kept --no-display\nprint(1)\ndisplay(n)\nn + 1", "Cell [1]")
    cell_program._run_cell(cell, "Cell [1]", main)
    captured = main["kept"]
    assert (captured.stdout, captured.outputs, capfd.readouterr().out) == ("1\n", [], "3\n4\n")


def test_output_of_a_script_is_written_to_the_log(main: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    cell_program._run_cell(to_plain_python("%%bash\necho said; echo oh >&2", "Cell [1]"), "Cell [1]", main)
    assert tuple(capfd.readouterr()) == ("said\n", "oh\n")


def test_missing_program_raises(main: dict[str, Any]) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        cell_program._run_cell(to_plain_python("%%script no-such-program\nx", "Cell [1]"), "Cell [1]", main)


def test_output_of_a_command_is_written_to_the_log(main: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    cell_program._run_cell(
        to_plain_python("print('before')\n!echo {n}; echo oh >&2\nprint('after')", "Cell [1]"), "Cell [1]", main
    )
    assert capfd.readouterr().out == "before\n3\noh\nafter\n"


def test_failing_script_raises(main: dict[str, Any]) -> None:
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero exit status 3") as caught:
        cell_program._run_cell(to_plain_python("%%bash --out x\necho a\nexit 3", "Cell [1]"), "Cell [1]", main)
    assert (caught.value.cmd, main["x"]) == (b"echo a\nexit 3\n", "a\n")


def test_files_folders_and_variables(
    main: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINJOB_A", "1")
    for cell in ("%%writefile a.txt\n{n} $n\n", "%mkdir -p b", "%cd b", "%env TRAINJOB_A={n}"):
        cell_program._run_cell(to_plain_python(cell, "Cell [1]"), "Cell [1]", main)
    assert (tmp_path / "a.txt").read_text() == "{n} $n\n"
    assert (Path.cwd(), os.environ["TRAINJOB_A"]) == (tmp_path / "b", "3")
    assert "Writing a.txt" in capfd.readouterr().out


def test_error_names_the_typed_line(main: dict[str, Any]) -> None:
    cell = "x = 1\n%time y = x / 0"
    with pytest.raises(ZeroDivisionError) as caught:
        cell_program._run_cell(to_plain_python(cell, "Cell [1]"), "Cell [1]", main)
    lines = [entry.lineno for entry in caught.traceback if str(entry.path).endswith("Cell [1]")]
    assert [line + 1 for line in lines] == [2, 2]


def test_command_lines_come_back_as_ipythons() -> None:
    from IPython.utils.text import SList

    create, arguments = shell.CommandLines(["a", "b"]).__reduce__()
    home = create(*arguments)
    assert (type(home), home.s, home.n) == (SList, "a b", "a\nb")
    assert (shell.CommandLines(["a", "b"]).s, shell.CommandLines(["a", "b"]).n, shell.CommandLines(["a"]).l) == (
        "a b",
        "a\nb",
        ["a"],
    )


def test_unsupported_commands_are_reported() -> None:
    with pytest.raises(AttributeError, match="kernel: a job has no IPython"):
        _ = shell.get_ipython().kernel
    with pytest.raises(NotImplementedError, match="%who is not available in a job"):
        shell.get_ipython().run_line_magic("who", "")
    with pytest.raises(RuntimeError, match="cannot read input"):
        shell.no_input("name? ")
