"""IPython syntax is translated to Python on the same lines, and names in commands are captured."""

from __future__ import annotations

import ast

import pytest

from jupyter_trainjob.bundle.analysis.captured_names import analyse_names
from jupyter_trainjob.bundle.analysis.cell_source import parse_cell
from jupyter_trainjob.bundle.analysis.ipython_syntax import names_in_command, to_plain_python

HEAD = "# %%trainjob digits --nodes 2\n"

PLAIN: dict[str, tuple[str, str]] = {
    "Python": ("x = 7 % 2\ny = x / 2", "x = 7 % 2\ny = x / 2"),
    "an indented cell": ("\n    x = 1\n    if x:\n        y = 2", "\nx = 1\nif x:\n    y = 2"),
    "an indented cell below a magic": (
        "%%time\n    x = 1\n    y = 2",
        "get_ipython().run_cell_magic('time', '', 'x = 1\\ny = 2')\n",
    ),
    "a shell command": ("!ls -l {a}", "get_ipython().system('ls -l {a}')\n"),
    "one whose lines are kept": (
        "x = !ls \\\n  -l\ny = 1",
        "x = get_ipython().getoutput('ls    -l')\n\ny = 1\n",
    ),
    "a line magic in a block": (
        "for i in a:\n    %time f(i)\n    g()",
        "for i in a:\n    get_ipython().run_line_magic('time', 'f(i)')\n    g()\n",
    ),
    "a command in a timed one": (
        "%time x = !ls",
        "get_ipython().run_line_magic('time', \"x = get_ipython().getoutput('ls')\")\n",
    ),
    "a cell magic with commands below it": (
        "%%time\nx = 1\n!ls",
        "get_ipython().run_cell_magic('time', '', \"x = 1\\nget_ipython().system('ls')\\n\")\n",
    ),
    "a cell magic whose text is not Python": (
        "%%bash\nfor i in a; do echo $i; done",
        "get_ipython().run_cell_magic('bash', '', 'for i in a; do echo $i; done')\n",
    ),
}


@pytest.mark.parametrize(("typed", "expected"), PLAIN.values(), ids=PLAIN.keys())
def test_ipython_syntax_is_translated_to_python(typed: str, expected: str) -> None:
    assert to_plain_python(HEAD + typed, "Cell [1]") == HEAD + expected
    ast.parse(to_plain_python(HEAD + typed, "Cell [1]"))


NAMES: dict[str, tuple[str, set[str]]] = {
    "a shell command": ("!train --lr {lr:.3f} --name $name $HOME ${x} {{no}}", {"lr", "name", "HOME", "x"}),
    "awk's braces": ("!awk '{print $1}' file", set()),
    "timed code": ("%time model = fit(data)", {"fit", "data"}),
    "timed code whose value is used": ("x = %time fit(data)", {"fit", "data"}),
    "a timed cell": ("%%time\nmodel = fit(data)\nmodel.score()", {"fit", "data"}),
    "a repeated cell": ("%%timeit -n 3 a = start()\nstep(a)", {"start", "step"}),
    "what a timed cell binds first": ("%%time\nx = 1\nx + y", {"y"}),
    "captured output": ("%%capture kept\nprint(a)", {"a", "print"}),
    "a query's variables in a captured cell": ("%%capture kept\nframe.query('a > @limit')", {"frame", "limit"}),
    "options of code that is timed are code": ("%time -x + y", {"x", "y"}),
    "a shell script": ("%%bash\necho $lr {x}", set()),
}


@pytest.mark.parametrize(("typed", "expected"), NAMES.values(), ids=NAMES.keys())
def test_names_in_commands_are_captured(typed: str, expected: set[str]) -> None:
    names = analyse_names(parse_cell(HEAD + typed, "Cell [1]").tree)
    assert set(names.needed) - {"get_ipython"} == expected


BOUND: dict[str, tuple[str, set[str]]] = {
    "kept output": ("%%capture kept --no-stderr\nprint(1)", {"kept"}),
    "what a script writes": ("%%bash --out o --err=e -s x\necho", {"o", "e"}),
    "what a named program writes": ("%%script --no-raise-error --out o perl -w\nprint 1", {"o"}),
    "a script without names": ("%%sh\necho", set()),
}


@pytest.mark.parametrize(("typed", "expected"), BOUND.values(), ids=BOUND.keys())
def test_names_assigned_by_a_command(typed: str, expected: set[str]) -> None:
    assert analyse_names(parse_cell(HEAD + typed, "Cell [1]").tree).assigned == expected


def test_name_assigned_by_a_command_is_not_captured() -> None:
    assert analyse_names(parse_cell("%time x = 1\nx", "Cell [1]").tree).needed == ()


def test_names_in_format_fields() -> None:
    assert names_in_command("{a.b[c]!r:>{width}} $d.e $$f") == {"a", "c", "width", "d"}
