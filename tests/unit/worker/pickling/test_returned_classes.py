"""Returned values are instances of the notebook's classes, also of redefined or missing ones."""

from __future__ import annotations

import gc
import sys
import types
from typing import Any

import pytest

from tests.unit.worker.conftest import Notebook


@pytest.fixture
def kernel(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook whose ``__main__`` is that of this process, as in a kernel."""
    monkeypatch.setitem(sys.modules, "__main__", notebook.module)
    return notebook


KINDS = {
    "a class": ("class C:\n    def __init__(self): self.x = 1", "C()"),
    "a dataclass": ("import dataclasses\n@dataclasses.dataclass\nclass C:\n    x: int = 1", "C(2)"),
    "a frozen dataclass with slots": (
        "import dataclasses\n@dataclasses.dataclass(frozen=True, slots=True)\nclass C:\n    x: int = 1",
        "C(2)",
    ),
    "a NamedTuple": ("from typing import NamedTuple\nclass C(NamedTuple):\n    x: int", "C(1)"),
    "a namedtuple": ("import collections\nC = collections.namedtuple('C', 'x y')", "C(1, 2)"),
    "a generic": (
        "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass C(Generic[T]):\n    x = 1",
        "C[int]()",
    ),
    "an exception": ("class C(ValueError):\n    code = 3", "C('a', 1)"),
    "a subclass of a subclass": ("class B(dict): ...\nclass C(B): ...", "C(a=1)"),
    "a class with slots": ("class C:\n    __slots__ = ('x',)\n    def __init__(self): self.x = 1", "C()"),
    "a class with a metaclass": ("class M(type): ...\nclass C(metaclass=M): ...", "C()"),
    "an abstract class": (
        (
            "import abc\n"
            "class A(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\n"
            "class C(A):\n    def f(self): return 1"
        ),
        "C()",
    ),
}


@pytest.mark.parametrize(("define", "make"), KINDS.values(), ids=KINDS.keys())
def test_returned_instance_has_the_notebooks_class(kernel: Notebook, define: str, make: str) -> None:
    kernel.run(define)
    cls = kernel.names["C"]
    before = dict(vars(cls))
    value = kernel.job(f"[{make}, C]").result
    assert type(value[0]) is cls
    assert value[1] is cls
    # Asking for an attribute may cache something in a class; nothing may be replaced.
    assert {name: vars(cls)[name] for name in before} == before


def test_enum_members_are_the_notebooks(kernel: Notebook) -> None:
    kernel.run("import enum\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = 'b'\n    CRIMSON = 1")
    kernel.run("class Mode(enum.Flag):\n    A = enum.auto()\n    B = enum.auto()")
    value = kernel.job("(Color.RED, Color('b'), Color.CRIMSON, Mode.A | Mode.B, {Color.RED: 1})").result
    color, mode = kernel.names["Color"], kernel.names["Mode"]
    assert value[0] is color.RED
    assert value[1] is color.BLUE
    assert value[2] is color.RED
    assert value[3] is mode.A | mode.B
    assert value[4][color.RED] == 1


def test_nested_classes_are_the_notebooks(kernel: Notebook) -> None:
    kernel.run("class Outer:\n    class Inner:\n        x = 1")
    value = kernel.job("Outer.Inner()").result
    assert type(value) is kernel.names["Outer"].Inner


DEFINE = "class Point:\n    def __init__(self, x): self.x = x\n    def name(self): return 'first'"
AGAIN = DEFINE.replace("first", "second")


def test_redefined_class_is_that_of_the_notebook_now(kernel: Notebook) -> None:
    kernel.run(DEFINE)
    ran = kernel.job("Point(3)")
    old = kernel.names["Point"]
    kernel.run(AGAIN)
    value = ran.result
    assert type(value) is kernel.names["Point"]
    assert type(value) is not old
    assert (value.x, value.name()) == (3, "second")
    assert old.name(value) == "first", "nor was the old one touched"


def test_incompatible_redefined_class_is_not_used(kernel: Notebook) -> None:
    kernel.run("class Point:\n    __slots__ = ('x',)\n    def __init__(self, x): self.x = x")
    ran = kernel.job("[Point(3)]")
    old = kernel.names["Point"]
    kernel.run("class Point:\n    __slots__ = ('y',)")
    (value,) = ran.result
    assert type(value) is old
    assert value.x == 3


def test_sent_class_is_used_if_its_name_is_no_class_any_more(kernel: Notebook) -> None:
    kernel.run(DEFINE)
    ran = kernel.job("Point(3)")
    kernel.run("Point = 3")
    assert ran.result.name() == "first"


def test_instance_of_a_redefined_class_keeps_its_old_class(kernel: Notebook) -> None:
    kernel.run(DEFINE)
    kernel.run("old = Point(1)")
    kernel.run(AGAIN)
    value = kernel.job("(old, Point(2))").result
    assert type(value[0]) is type(kernel.names["old"])
    assert type(value[1]) is kernel.names["Point"]
    assert [instance.name() for instance in value] == ["first", "second"]


def restart(kernel: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear the notebook's namespace, as a restart of the kernel does."""
    from cloudpickle import cloudpickle

    kernel.module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", kernel.module)
    monkeypatch.setattr(cloudpickle, "_DYNAMIC_CLASS_TRACKER_BY_ID", {})
    gc.collect()


def test_results_use_classes_of_a_restarted_kernel(kernel: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.run(DEFINE)
    ran = kernel.job("Point(3)")
    restart(kernel, monkeypatch)
    kernel.run(DEFINE)
    assert type(ran.result) is kernel.names["Point"]


def test_class_missing_after_a_restart_is_recreated(kernel: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.run(DEFINE)
    ran = kernel.job("[Point(3), Point(4)]")
    restart(kernel, monkeypatch)
    first, second = ran.result
    assert type(first) is type(second)
    assert (first.x, second.x, first.name()) == (3, 4, "first")


def test_class_defined_in_the_cell_is_not_mapped_to_the_notebooks(kernel: Notebook) -> None:
    kernel.run(DEFINE)
    value, out = kernel.job(f"{AGAIN}\nPoint(3)", out=("Point",)).outcome
    assert type(value) is not kernel.names["Point"]
    assert type(value) is out["Point"]
    assert value.name() == "second"


def test_returned_value_runs_no_code_of_the_notebooks_class(kernel: Notebook) -> None:
    kernel.run(
        "made = []\nclass Base:\n    def __init_subclass__(cls): made.append(cls.__name__)\nclass Child(Base): ..."
    )
    value: Any = kernel.job("Child()").result
    assert type(value) is kernel.names["Child"]
    assert kernel.names["made"] == ["Child"]
