"""Values, modules and functions captured with a cell, and errors about values that cannot be sent."""

from __future__ import annotations

import codeop
import ctypes
import functools
import io
import pickle
import socket
import sqlite3
import string
import tempfile
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from jupyter_trainjob.bundle.analysis import code_objects
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


def test_only_values_that_the_cell_uses_are_captured() -> None:
    captured = capture("x = a + f(1)\nprint(x)", notebook("def f(n): return n", a=1, b=bytes(10**6), x=2))
    assert names(captured) == ["a", "f"]
    assert captured.payload.size < 2_000


def test_names_used_by_a_captured_function_are_captured() -> None:
    captured = capture("f()", notebook("def g(): return a\ndef f(): return g()", a=[1], b=2))
    assert names(captured) == ["f"]
    assert captured.has_code


def test_code_keeps_its_file_and_lines() -> None:
    namespace = notebook("def f(a, /, *b):\n    def g(y=1):\n        return [z for z in b]\n    return g, lambda: g")
    unpacked_codes = code_objects.all_codes(unpacked(capture("f()", namespace))["f"].__code__)
    for ours, theirs in zip(code_objects.all_codes(namespace["f"].__code__), unpacked_codes, strict=True):
        assert ours == theirs
        for attribute in ("co_filename", "co_firstlineno", "co_stacksize", "co_flags"):
            assert getattr(ours, attribute) == getattr(theirs, attribute)
        assert [*ours.co_lines()] == [*theirs.co_lines()]


def test_values_of_builtin_types_are_pickled_without_code() -> None:
    assert not capture("a", notebook(a={"x": [1.0]})).has_code


def test_variables_of_ipython_are_not_captured() -> None:
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
def test_history_of_the_notebook_is_rejected(name: str) -> None:
    with pytest.raises(UsageError, match=f"Cell .* uses {name}, the notebook's history"):
        capture(f"print({name})", notebook("", **{name: []}))
    assert names(capture(f"for {name} in range(3): print({name})", notebook("", **{name: []}))) == []


def test_user_class_may_have_the_name_of_the_history() -> None:
    assert names(capture("Out()", notebook("class Out: pass"))) == ["Out"]


def test_user_variable_with_a_name_of_ipython_is_captured() -> None:
    assert names(capture("open(1)", notebook("def open(x): return x"))) == ["open"]


def test_object_with_two_names_is_pickled_once() -> None:
    shared = bytearray(100_000)
    captured = capture("(a, b)", notebook(a=[shared], b={"x": shared}))
    values = unpacked(captured)
    assert values["a"][0] is values["b"]["x"]
    assert [value.size > 100_000 for value in captured.names] == [True, False]
    assert sum(value.size for value in captured.names) == captured.payload.size


def test_captured_names_have_their_type_and_origin() -> None:
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


def test_name_that_the_cell_assigns_is_captured_if_it_can_be_pickled() -> None:
    cell = "for i in range(2):\n    x = i\n    y = i\n(x, y)"
    assert names(capture(cell, notebook(x=threading.Lock(), y=5))) == ["y"]


def test_out_accepts_only_names_of_the_cell() -> None:
    namespace = notebook(model=[1], other=2)
    assert capture("model.append(1)\nw = 1", namespace, out=("model", "w", "w")).out == ("model", "w")
    for name, message in {
        "other": "the notebook has it, but the cell does not use it",
        "nowhere": "the cell does not assign it",
        "a b": "that is not a valid Python name",
        "class": "that is not a valid Python name",
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
        "x.loader.lock cannot be sent to the job: it is a _thread.lock",
        "create it inside the cell, or leave it out in the class's __getstate__",
    ),
    "a generator": (_generator, "x cannot be sent to the job: it is a generator", "make a list of it"),
    "a generator in a container": (lambda: {"a": [0, _generator()]}, "x['a'][1] cannot be sent", "make a list of it"),
    "an open file": (
        lambda: Holder(log=Path(__file__).open(encoding="utf-8")),  # noqa: SIM115
        "x.log cannot be sent to the job: it is a _io.TextIOWrapper (an open file cannot be sent",
        "Open the file inside the cell",
    ),
    "a binary file": (
        lambda: [Path(__file__).open("rb")],  # noqa: SIM115
        "x[0] cannot be sent",
        "Open the file inside the cell",
    ),
    "a socket": (
        lambda: Holder(s=socket.socket()),
        "x.s cannot be sent to the job: it is a socket.socket",
        "Open the connection",
    ),
    "a thread": (lambda: Holder(t=threading.Thread(target=print)), "x.t", "It belongs to this process"),
    "a database": (
        lambda: Holder(db=sqlite3.connect(":memory:")),
        "x.db cannot be sent to the job: it is a sqlite3.Connection",
        "Connect to the database inside the cell",
    ),
    "a slot": (lambda: Slotted(threading.Lock()), "x.inner cannot be sent", "create it inside the cell"),
    "a library": (
        lambda: [ctypes.CDLL(None)],
        "x[0] cannot be sent to the job: it is a ctypes.CDLL (a library that is loaded into this process)",
        "Load it inside the cell",
    ),
    "a finalizer": (
        lambda: Holder(end=weakref.finalize(Holder, print)),
        "x.end cannot be sent to the job: it is a weakref.finalize",
        "Make it inside the cell",
    ),
    "a tensor with a graph": (
        lambda: {"loss": (torch.ones(2, requires_grad=True) * 3).sum()},
        "x['loss'] cannot be sent to the job: it is a torch.Tensor (it is the result of SumBackward0",
        "as by .detach()",
    ),
    "a partial": (lambda: functools.partial(print, threading.Lock()), "x.args[0] cannot be sent", "create it"),
    "a key": (lambda: {Slotted(threading.Lock()): 1}, "(its key ", "create it"),
}


def closing(value: Any) -> None:
    for part in [*getattr(value, "__dict__", {}).values(), *(value if isinstance(value, list) else [])]:
        if hasattr(part, "close"):
            part.close()


@pytest.mark.parametrize(("make", "path", "remedy"), CULPRITS.values(), ids=CULPRITS.keys())
def test_path_to_the_unpicklable_part_is_named(make: Callable[[], Any], path: str, remedy: str) -> None:
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
    "a global": ("def f(): return lock", "f → lock cannot be sent"),
    "a global of a helper": ("def g(): return lock\ndef f(): return [g() for _ in 'x']", "f → g → lock cannot be sent"),
    "a closure": ("def make(lock):\n  def f(): return lock\n  return f\nf = make(lock)", "f → lock cannot be sent"),
    "a default argument": ("def f(a=lock): ...", "f (a default argument) cannot be sent"),
    "a class attribute": ("class f:\n  guard = lock", "f.guard cannot be sent"),
    "a method": ("class f:\n  def m(self): return lock", "f.m → lock cannot be sent"),
    "a bound method": (
        "class C:\n  def __init__(self): self.lock = lock\n  def m(self): ...\nf = C().m",
        "f.__self__.lock",
    ),
}


@pytest.mark.parametrize(("source", "path"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_path_through_a_function_is_named(source: str, path: str) -> None:
    namespace = notebook("import threading\nlock = threading.Lock()\n" + source)
    with pytest.raises(CaptureError) as caught:
        capture("f", namespace)
    assert path in str(caught.value)


def test_function_is_captured_with_its_arguments() -> None:
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


def test_arguments_that_the_function_does_not_accept_are_rejected() -> None:
    def train(data: Any, *, rate: float = 0.1) -> None: ...

    with pytest.raises(UsageError, match=r"train\(\) cannot be called.*missing a required argument: 'data'.*kwargs="):
        capture_function(train)
    with pytest.raises(UsageError, match=r"unexpected keyword argument 'speed'.*Nothing was sent"):
        capture_function(train, (1,), {"speed": 2})


def test_object_that_is_no_function_is_rejected() -> None:
    with pytest.raises(UsageError, match="takes a function first, not 3"):
        capture_function(3)  # type: ignore[arg-type]


def test_unpicklable_argument_is_named() -> None:
    with pytest.raises(CaptureError, match="argument 2 cannot be sent"):
        capture_function(print, (1, threading.Lock()))
    with pytest.raises(CaptureError, match=r"make a list of it, or create it inside the function\. Nothing was sent"):
        capture_function(print, (_generator(),))


async def _async_generator() -> Any:
    yield 1


YIELDING: dict[str, tuple[Callable[..., Any], str]] = {
    "a generator": (_generator, r"^_generator is a function with yield.*returns list\(_generator\(\.\.\.\)\)"),
    "an asynchronous one": (_async_generator, r"returns \[each async for each in _async_generator\(\.\.\.\)\]"),
}


@pytest.mark.parametrize(("function", "message"), YIELDING.values(), ids=YIELDING.keys())
def test_generator_function_is_rejected(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        capture_function(function)
    assert str(refused.value).endswith("Nothing was sent.")
    assert "cell" not in str(refused.value)


class Refusing:
    """Raises an error in ``__reduce__``."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __reduce__(self) -> NoReturn:
        raise TypeError("take its weights instead")


def test_value_that_refuses_pickling_is_not_searched_further() -> None:
    with pytest.raises(CaptureError, match=r"handle cannot be sent .*take its weights instead"):
        capture_cell("handle", {"handle": Refusing()}, filename="Cell [1]")


def test_value_with_a_finalizer_is_captured(tmp_path: Path) -> None:
    folder = tempfile.TemporaryDirectory(dir=tmp_path)
    with folder:
        restored = unpacked(capture("folder.name", notebook(folder=folder)))["folder"]
        assert (restored.name, restored._finalizer.alive) == (folder.name, False)


def test_tensors_that_a_module_computes_in_each_call_are_captured() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = torch.nn.utils.weight_norm(torch.nn.Linear(2, 2))
    assert names(capture("layer", notebook(layer=layer))) == ["layer"]
