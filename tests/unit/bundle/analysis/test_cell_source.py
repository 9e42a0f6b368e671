"""Cells that cannot run as a program are rejected with the line and a remedy."""

from __future__ import annotations

import textwrap

import pytest

from jupyter_trainjob.bundle.analysis.cell_source import check_calls_something, parse_cell
from jupyter_trainjob.errors import UsageError

REFUSED: dict[str, tuple[str, str]] = {
    "a missing colon": (
        "x = 1\nfor i in range(3)\n    pass",
        "Cell [12], line 2: expected ':'\n    for i in range(3)\n                     ^\nNothing was sent.",
    ),
    "an indented line": ("if x:\n    y = (1,\n", "Cell [12], line 2: '(' was never closed\n    y = (1,\n        ^"),
    "a return": ("x = 1\nreturn x", "Cell [12], line 2: 'return' outside function\n    return x\n    ^"),
    "await in a function": ("def f():\n    await g()", "Cell [12], line 2: 'await' outside async function"),
    "a null byte": ("x = '\0'", "Cell [12]"),
    "an unknown line magic": (
        "import a\n%store x",
        "Cell [12], line 2: `%store x` is not available in a job, which has %cat, %cd",
    ),
    "an unknown cell magic": (
        "# %%trainjob\n%%javascript\nalert()",
        "Cell [12], line 2: `%%javascript` is not available in a job, which has %%bash",
    ),
    "help": ("torch.nn?", "line 1: `torch.nn?` shows help, which is not available in a job"),
    "await in timed code": ("x = 1\n%time y = await f()", "line 2: `%time y = await f()` has `await` in its code"),
    "await in a timed cell": ("%%time\nasync for i in f(): ...", "line 1: `%%time` has `await` in its code"),
    "await in a captured cell": ("%%capture kept\nawait f()", "`%%capture kept` has `await` in its code"),
    "await in repeated code": ("%timeit -n 3 await f()", "time.perf_counter()"),
    "timed code that is no Python": ("%time x = = 1", "has invalid code: invalid syntax."),
    "a timed cell that is no Python": ("%%time\nx = 1\nx =", "invalid syntax, 2 lines below it"),
    "a folder of the notebook's history": ("%cd -2", "`%cd -2` reads the notebook's history of folders"),
    "a folder that is like one in the history": ("%cd --data", "Name the folder."),
    "a bookmark": ("%cd -b data", "bookmarks"),
    "a script in the background": ("%%bash --bg\nsleep 9", "`%%bash --bg` would run in the background"),
    "a script's process": ("%%script --proc p --bg bash\nsleep 9", "Leave out --bg and --proc"),
    "a script whose output has no name": ("%%bash --out\nls", "expected one argument"),
    "a script without a program": ("%%script --out o\nls", "no program is named"),
    "an unknown magic in a timed one": ("%time %who", "line 1: `%who` is not available in a job"),
}


@pytest.mark.parametrize(("source", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_cell_is_rejected(source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_cell(source, "Cell [12]")
    assert message in str(caught.value)


ACCEPTED: dict[str, str] = {
    "a remainder over two lines": "x = (7\n     % 2)",
    "a question in a string": "x = 'torch.nn?'",
    "an escape that warns": "x = '\\d'",
    "a magic in a string": "x = '''\n%matplotlib\n!ls\n'''",
    "await at top level": "await f()\nasync with g() as x:\n    pass\n[y async for y in x]",
    "nothing": "",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_valid_cell_is_accepted(source: str) -> None:
    text = textwrap.dedent(source)
    assert parse_cell(text, "Cell [12]").text == text


IDLE: dict[str, str] = {
    "a function": "def train():\n    pass",
    "a class with a docstring above": "'about'\nimport math\n\nclass Net:\n    pass",
}
BUSY: dict[str, str] = {
    "a call": "def train():\n    pass\ntrain()",
    "a decorator, which may call": "@run\ndef train():\n    pass",
    "an assignment": "def train():\n    pass\nx = 1",
    "imports alone": "import math",
    "nothing": "",
}


@pytest.mark.parametrize("source", IDLE.values(), ids=IDLE.keys())
def test_cell_of_definitions_only_is_rejected(source: str) -> None:
    tree = parse_cell(source, "Cell [12]").tree
    with pytest.raises(UsageError, match=r"Cell \[12\] defines (train|Net) and calls nothing"):
        check_calls_something(tree, out=(), filename="Cell [12]")
    check_calls_something(tree, out=("train", "Net"), filename="Cell [12]")


@pytest.mark.parametrize("source", BUSY.values(), ids=BUSY.keys())
def test_cell_with_other_statements_is_accepted(source: str) -> None:
    check_calls_something(parse_cell(source, "Cell [12]").tree, out=(), filename="Cell [12]")
