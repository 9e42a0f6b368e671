"""Undefined names are rejected with their line; names that may be defined are not."""

from __future__ import annotations

import types
from typing import Any

import pytest

from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.errors import UsageError


def notes(cell: str, source: str = "", **names: Any) -> tuple[str, ...]:
    namespace = types.ModuleType("__main__").__dict__
    exec(compile(source, "cell", "exec", dont_inherit=True), namespace)
    namespace.update(names)
    return capture_cell(cell, namespace, filename="Cell [2]").notes


REFUSED = {
    "at top level": ("x = 1\nprint(x, y)", "line 2 uses y"),
    "with the nearest name": ("loss = 1\nprint(lss)", "line 2 uses lss, .* Did you mean loss?"),
    "near a name of the notebook": ("print(modle)", "line 1 .*Did you mean model?"),
    "near a builtin": ("pritn(1)", "line 1 .*Did you mean print?"),
    "in a function that is called": ("def f():\n    return y\nf()", "line 2 uses y"),
    "in a function that another one calls": ("def f():\n    return y\ndef g(): return f()\ng()", "line 2 uses y"),
    "not in another function": ("def f(y):\n    return y\nf(1)\ny", "line 4 uses y"),
    "in a method": ("class A:\n    def m(self): return y\nA().m()", "line 2 uses y"),
    "in a lambda": ("f = lambda x: x + y\nf(1)", "line 1 uses y"),
    "in a comprehension": ("[x + y for x in range(2)]", "line 1 uses y"),
    "in an f-string": ("print(f'{y!r}')", "line 1 uses y"),
    "in a loop": ("for i in range(3):\n    print(y)", "line 2 uses y"),
    "in a class body": ("class A:\n    def __init__(self): self.x = y\nA()", "line 2 uses y"),
    "as a base": ("class A(Base): pass\nA()", "line 1 uses Base"),
    "as a decorator": ("@deco\ndef f(): pass", "line 1 uses deco"),
    "as a default": ("def f(x=y): pass\nf()", "line 1 uses y"),
    "as an annotation that is evaluated": ("x: Unknown = 1\nx", "line 1 uses Unknown"),
    "where another error is caught": ("try:\n    y()\nexcept ValueError: pass", "line 2 uses y"),
    "beside commands": ("!echo $HOME\n%time x = 1\nprint(x, y)", "line 3 uses y"),
    "in a finally block": ("try:\n    pass\nfinally:\n    y", "line 4 uses y"),
}
NOTED = {
    "in a branch": ("if model:\n    print(y)", "line 2 uses y"),
    "in a branch of an expression": ("1 if model else y", "line 1 uses y"),
    "after an and": ("model and y", "line 1 uses y"),
    "in a handler": ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    print(y)", "line 4 uses y"),
    "in a function that is not called": ("def f(): return y\nprint(1)", "line 1 uses y"),
    "in a case": ("match model:\n    case 1: y", "line 2 uses y"),
}
ALLOWED = {
    "a builtin": "print(len([]), __name__, __debug__)",
    "names of every job": "display(report, checkpoint_dir, output_dir, get_ipython, input)",
    "a name of the notebook": "print(model)",
    "assigned later": "def f(): return y\ny = 1\nf()",
    "assigned in a branch": "if model:\n    y = 1\ny",
    "assigned by a function": "def f():\n    global y\n    y = 1\nf()\ny",
    "assigned by a function of the notebook": "setting()\ny",
    "deleted": "y = 1\ndel y\nprint(model)",
    "a star": "from os import *\ngetcwd()",
    "exec": "exec(model)\ny",
    "the namespace of the shell": "get_ipython().user_ns['y'] = 1\ny",
    "how a command ended": "!true\n_exit_code",
    "a name that a command assigns": "%%capture y\nprint(1)",
    "globals": "globals().update(y=1)\ny",
    "a guard": "try:\n    y\nexcept NameError:\n    y = 1",
    "a guard against everything": "try:\n    y\nexcept:\n    print(1)",
    "a guard of a block": "from contextlib import suppress\nwith suppress(NameError):\n    y",
    "an import that may fail": "try:\n    import nothing\nexcept ImportError:\n    nothing = None\nnothing",
    "targets": "for i, (j, *k) in []: pass\nwith open('a') as f: pass\n[i, j, k, f, (w := 1), w]",
    "a walrus in a comprehension": "[y for x in range(3) if (y := x)]\ny",
    "a handler's name": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    print(e)",
    "patterns": "match model:\n    case [a, *b]: a, b\n    case {'x': c, **d}: print(c, d)\n    case int() as e: e",
    "arguments": "def f(a, /, b, *c, d=1, **e): return a, b, c, d, e\nf(1, 2)",
    "a class's own": "class A:\n    y = 1\n    z = [y]\n    def m(self): return __class__, super()\nA()",
    "a variable of the shell": "!echo $HOME ${PATH}",
    "a result of a command": "%time y = 1\ny",
    "an annotation that is a text": "def f(x: 'Unknown') -> 'Other': return x\nf(1)",
    "a text": "df = model\ndf.query('a > @y')",
}
BEFORE = "model = 1\ndef setting():\n    global y\n    y = 1\n"


@pytest.mark.parametrize(("cell", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_undefined_name_is_rejected(cell: str, message: str) -> None:
    with pytest.raises(UsageError, match=rf"(?s)Cell \[2\], {message}.*Nothing was sent\."):
        notes(cell, model=1)


@pytest.mark.parametrize(("cell", "message"), NOTED.values(), ids=NOTED.keys())
def test_undefined_name_that_may_not_be_reached_has_a_note(cell: str, message: str) -> None:
    (note,) = notes(cell, model=1)
    assert message in note


@pytest.mark.parametrize("cell", ALLOWED.values(), ids=ALLOWED.keys())
def test_name_that_may_be_defined_is_accepted(cell: str) -> None:
    assert notes(cell, BEFORE) == ()
