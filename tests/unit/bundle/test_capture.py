"""What is packed with a cell, what stays at home, and what is said of a value that cannot travel."""

from __future__ import annotations

import codeop
import functools
import io
import pickle
import socket
import sqlite3
import string
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from jupyter_trainjob.bundle.capture import Capture, capture_cell, capture_function
from jupyter_trainjob.errors import CaptureError, UsageError


def notebook(source: str = "", **names: Any) -> dict[str, Any]:
    namespace = types.ModuleType("__main__").__dict__
    exec(compile(source, "/tmp/ipykernel_3/8.py", "exec", dont_inherit=True), namespace)
    return {} if namespace.update(names) else namespace


def capture(cell: str, namespace: dict[str, Any], *, out: tuple[str, ...] = ()) -> Capture:
    return capture_cell(cell, namespace, filename="Cell [12]", out=out, cells={"/tmp/ipykernel_3/8.py": "Cell [3]"})


def names(captured: Capture) -> list[str]:
    return [value.name for value in captured.names]


def unpacked(captured: Capture) -> dict[str, Any]:
    unpickler = pickle.Unpickler(captured.payload.open())
    return {value.name: unpickler.load() for value in captured.names}


def test_only_what_the_cell_uses_travels() -> None:
    captured = capture("x = a + f(1)\nprint(x, missing)", notebook("def f(n): return n", a=1, b=bytes(10**6), x=2))
    assert names(captured) == ["a", "f"]
    assert captured.payload.size < 2_000


def test_what_a_function_uses_travels_with_it() -> None:
    captured = capture("f()", notebook("def g(): return a\ndef f(): return g()", a=[1], b=2))
    assert names(captured) == ["f"]
    assert captured.has_code


def test_plain_values_carry_no_code() -> None:
    assert not capture("a", notebook(a={"x": [1.0]})).has_code


def test_notebook_machinery_stays_at_home() -> None:
    shell = types.SimpleNamespace(compile=codeop.Compile())
    shell.compile("from __future__ import annotations", "Cell [1]", "exec")

    def of_ipython() -> Any:
        return shell

    of_ipython.__module__ = "IPython.core.interactiveshell"
    namespace = notebook(
        "def f(): return get_ipython, In, _12", In=[1], Out={}, _=1, _i3="x", _12=5, get_ipython=of_ipython
    )
    namespace["open"] = functools.wraps(io.open)(lambda *_: None)
    captured = capture("(exit, open, __name__, __builtins__)\nf()", namespace)
    assert names(captured) == ["f"]
    assert b"of_ipython" not in captured.payload.open().read()
    assert captured.future == ("annotations",)


@pytest.mark.parametrize("name", ["In", "Out", "_", "___", "_i3", "_12", "_ih"])
def test_the_notebooks_own_record_is_refused_in_words(name: str) -> None:
    with pytest.raises(UsageError, match=f"Cell .* uses {name}, which is the notebook's own record"):
        capture(f"print({name})", notebook("", **{name: []}))
    assert names(capture(f"for {name} in range(3): print({name})", notebook("", **{name: []}))) == []


def test_a_class_of_the_users_own_may_be_called_like_the_record() -> None:
    assert names(capture("Out()", notebook("class Out: pass"))) == ["Out"]


def test_a_name_of_the_users_own_that_ipython_has_too_travels() -> None:
    assert names(capture("open(1)", notebook("def open(x): return x"))) == ["open"]


def test_one_object_under_two_names_is_packed_once() -> None:
    shared = bytearray(100_000)
    captured = capture("(a, b)", notebook(a=[shared], b={"x": shared}))
    found = unpacked(captured)
    assert found["a"][0] is found["b"]["x"]
    assert [value.size > 100_000 for value in captured.names] == [True, False]
    assert sum(value.size for value in captured.names) == captured.payload.size


def test_the_report_says_what_each_value_is_and_where_it_comes_from() -> None:
    captured = capture(
        "(string, a, f, C, Path)",
        notebook("\ndef f(): ...\nclass C:\n  def m(self): ...", string=string, a=1.5, Path=Path),
    )
    rows = {value.name: (value.type, value.origin) for value in captured.names}
    assert rows == {
        "string": ("module", "module string"),
        "a": ("float", "notebook"),
        "f": ("function", "Cell [3], line 2"),
        "C": ("type", "Cell [3], line 4"),
        "Path": ("type", f"module {Path.__module__}"),
    }


def test_what_the_cell_most_likely_assigns_itself_travels_if_it_can() -> None:
    cell = "for i in range(2):\n    x = i\n    y = i\n(x, y)"
    assert names(capture(cell, notebook(x=threading.Lock(), y=5))) == ["y"]


def test_names_that_come_back_must_be_the_cells() -> None:
    namespace = notebook(model=[1], other=2)
    assert capture("model.append(1)\nw = 1", namespace, out=("model", "w", "w")).out == ("model", "w")
    for name, message in {
        "other": "the notebook has it, but the cell does not use it",
        "nowhere": "the cell does not assign it",
        "a b": "that is no name of Python",
        "class": "that is no name of Python",
    }.items():
        with pytest.raises(UsageError, match=message):
            capture("model.append(1)\nw = 1", namespace, out=(name,))


class Holder:
    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner


def closure(value: Any) -> Callable[[], Any]:
    def inner() -> Any:
        return value

    return inner


def _generator() -> Any:
    yield 1


CULPRITS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "a lock deep inside": (
        lambda: Holder(loader=Holder(rows=[1, 2], lock=threading.Lock())),
        "x.loader.lock cannot travel to the job: it is a _thread.lock",
        "create it inside the cell, or leave it out in the class's __getstate__",
    ),
    "a generator": (_generator, "x cannot travel to the job: it is a generator", "make a list of it"),
    "a generator in a container": (lambda: {"a": [0, _generator()]}, "x['a'][1] cannot travel", "make a list of it"),
    "an open file": (
        lambda: Holder(log=Path(__file__).open(encoding="utf-8")),  # noqa: SIM115
        "x.log cannot travel to the job: it is a _io.TextIOWrapper (an open file cannot travel",
        "Open the file inside the cell",
    ),
    "a binary file": (
        lambda: [Path(__file__).open("rb")],  # noqa: SIM115
        "x[0] cannot travel",
        "Open the file inside the cell",
    ),
    "a socket": (
        lambda: Holder(s=socket.socket()),
        "x.s cannot travel to the job: it is a socket.socket",
        "Open the connection",
    ),
    "a thread": (lambda: Holder(t=threading.Thread(target=print)), "x.t", "It belongs to this process"),
    "a database": (
        lambda: Holder(db=sqlite3.connect(":memory:")),
        "x.db cannot travel to the job: it is a sqlite3.Connection",
        "Connect to the database inside the cell",
    ),
    "a slot": (lambda: Slotted(threading.Lock()), "x.inner cannot travel", "create it inside the cell"),
    "a partial": (lambda: functools.partial(print, threading.Lock()), "x.args[0] cannot travel", "create it"),
    "a key": (lambda: {Slotted(threading.Lock()): 1}, "(its key ", "create it"),
}


def closing(value: Any) -> None:
    for part in [*getattr(value, "__dict__", {}).values(), *(value if isinstance(value, list) else [])]:
        if hasattr(part, "close"):
            part.close()


@pytest.mark.parametrize(("make", "path", "remedy"), CULPRITS.values(), ids=CULPRITS.keys())
def test_the_way_to_what_cannot_travel_is_named(make: Callable[[], Any], path: str, remedy: str) -> None:
    value = make()
    try:
        with pytest.raises(CaptureError) as caught:
            capture("x", notebook(x=value))
    finally:
        closing(value)
    assert path in str(caught.value)
    assert remedy in str(caught.value)
    assert str(caught.value).endswith("Nothing was sent.")


FUNCTIONS: dict[str, tuple[str, str]] = {
    "a global": ("def f(): return lock", "f → lock cannot travel"),
    "a global of a helper": ("def g(): return lock\ndef f(): return [g() for _ in 'x']", "f → g → lock cannot travel"),
    "a closure": ("def make(lock):\n  def f(): return lock\n  return f\nf = make(lock)", "f → lock cannot travel"),
    "a default argument": ("def f(a=lock): ...", "f (a default argument) cannot travel"),
    "a class attribute": ("class f:\n  guard = lock", "f.guard cannot travel"),
    "a method": ("class f:\n  def m(self): return lock", "f.m → lock cannot travel"),
    "a bound method": (
        "class C:\n  def __init__(self): self.lock = lock\n  def m(self): ...\nf = C().m",
        "f.__self__.lock",
    ),
}


@pytest.mark.parametrize(("source", "path"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_the_way_through_a_function_is_named(source: str, path: str) -> None:
    namespace = notebook("import threading\nlock = threading.Lock()\n" + source)
    with pytest.raises(CaptureError) as caught:
        capture("f", namespace)
    assert path in str(caught.value)


def test_a_function_travels_with_its_arguments() -> None:
    def train(a: Any, *, b: Any) -> Any:
        return a, b

    data = [1] * 1000
    captured = capture_function(train, (data,), {"b": data})
    function, args, kwargs = unpacked(captured)["the call"]
    assert function(*args, **kwargs) == (data, data)
    assert args[0] is kwargs["b"]
    assert [value.name.rpartition(".")[2] for value in captured.names] == [
        "train",
        "argument 1",
        "argument b",
        "the call",
    ]
    assert "def train" in captured.source


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(UsageError, match="takes a function first, not 3"):
        capture_function(3)  # type: ignore[arg-type]


def test_an_argument_that_cannot_travel_is_named() -> None:
    with pytest.raises(CaptureError, match="argument 2 cannot travel"):
        capture_function(print, (1, threading.Lock()))


class Refusing:
    """Says itself that it does not travel."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __reduce__(self) -> NoReturn:
        raise TypeError("take its weights instead")


def test_a_value_that_refuses_by_itself_is_not_searched_for_another_reason() -> None:
    with pytest.raises(CaptureError, match=r"handle cannot travel .*take its weights instead"):
        capture_cell("handle", {"handle": Refusing()}, filename="Cell [1]")
