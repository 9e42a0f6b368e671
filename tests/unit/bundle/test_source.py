"""A cell that is not plain Python is refused before anything is sent, with the line and what to do."""

from __future__ import annotations

import textwrap

import pytest

from jupyter_trainjob.bundle.source import parse
from jupyter_trainjob.errors import UsageError

REFUSED: dict[str, tuple[str, str]] = {
    "a missing colon": (
        "x = 1\nfor i in range(3)\n    pass",
        "Cell [12], line 2: expected ':'\n    for i in range(3)\n                     ^\nNothing was sent.",
    ),
    "an indented line": ("if x:\n    y = (1,\n", "Cell [12], line 2: '(' was never closed\n    y = (1,\n        ^"),
    "a return": ("x = 1\nreturn x", "Cell [12], line 2: 'return' outside function\n    return x\n    ^"),
    "await": ("await f()", "put it into `async def main(): ...` and call asyncio.run(main())"),
    "a null byte": ("x = '\0'", "Cell [12]"),
    "a line magic": (
        "import a\n%matplotlib inline",
        "Cell [12], line 2: `%matplotlib inline` is a command for the notebook",
    ),
    "a cell magic": ("%%time\nx = 1", "Cell [12], line 1: `%%time` is a command for the notebook"),
    "a shell command": ("if x:\n    !nvidia-smi -L", "line 2: `!nvidia-smi -L` is a command for the notebook"),
    "a shell command that is assigned": ("files = !ls", "line 1: `files = !ls` is a command"),
    "a magic that is assigned": ("t = %timeit -o f()", "line 1: `t = %timeit -o f()` is a command"),
    "help": ("torch.nn?", "line 1: `torch.nn?` is a command"),
    "a transformed line magic": (
        "get_ipython().run_line_magic('matplotlib', 'inline')",
        "Cell [12], line 1: `%matplotlib inline` needs the notebook. A job runs plain Python.",
    ),
    "a transformed shell command": ("x = get_ipython().getoutput('ls -l')", "line 1: `!ls -l` needs the notebook"),
    "another use of the shell": (
        "def f():\n    return get_ipython()",
        "line 2: `return get_ipython()` needs the notebook",
    ),
}


@pytest.mark.parametrize(("source", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_it_refuses(source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(source, "Cell [12]")
    assert message in str(caught.value)


ACCEPTED: dict[str, str] = {
    "a remainder over two lines": "x = (7\n     % 2)",
    "a question in a string": "x = 'torch.nn?'",
    "an escape that warns": "x = '\\d'",
    "a magic in a string": "x = '''\n%matplotlib\n!ls\n'''",
    "nothing": "",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_it_accepts(source: str) -> None:
    assert parse(textwrap.dedent(source), "Cell [12]") is not None
