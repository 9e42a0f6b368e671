"""The extension in IPython: when a terminal takes a cell as complete."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_trainjob.magics import extension


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%trainjob digits --nodes 2\n", "incomplete"),
        ("%%trainjob digits --nodes 2\nloss = 1\n", "incomplete"),
        ("%%trainjob digits --nodes 2\nloss = 1\n\n", "complete"),
        ("%trainjob list\n", "complete"),
    ],
)
def test_cell_is_complete_at_an_empty_line(text: str, expected: str) -> None:
    shell = InteractiveShell()
    extension.register(shell)
    assert shell.check_complete(text)[0] == expected
