"""Recipes that write captured values as Python source."""

from __future__ import annotations

import collections
import math
import os.path
import types
from typing import Any

import pytest

import jupyter_trainjob
from jupyter_trainjob.bundle.source_recipes import LIMIT, build_recipes
from jupyter_trainjob.worker.manifest import Recipe


def written(values: dict[str, Any], namespace: dict[str, Any] | None = None) -> dict[str, str]:
    """Return the recipe's text of each name."""
    recipes = build_recipes(values, namespace or {}, {"<cell>": "Cell [3]"})
    return {
        recipe.name: recipe.statement or recipe.literal or f"{recipe.label}:{recipe.line}".strip(":0")
        for recipe in recipes
    }


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        pytest.param("math", math, "import math", id="a module is imported"),
        pytest.param("m", math, "import math as m", id="under the notebook's name"),
        pytest.param("path", os.path, "import posixpath as path", id="a module of another name"),
        pytest.param("OD", collections.OrderedDict, "from collections import OrderedDict as OD", id="a class"),
        pytest.param("sin", math.sin, "from math import sin", id="a function in C"),
        pytest.param(
            "report", jupyter_trainjob.report, "from jupyter_trainjob import report", id="our own, as users do"
        ),
        pytest.param("rate", 0.1, "0.1", id="a number"),
        pytest.param(
            "words", ["a'", {"b": (1, None, True)}], "[\"a'\", {'b': (1, None, True)}]", id="a plain container"
        ),
        pytest.param("nan", math.nan, "", id="nan has no text"),
        pytest.param("deep", [math.inf], "", id="nor its container"),
        pytest.param("long", "x" * 1_000, "", id="long text is data"),
        pytest.param("many", list(range(1_000)), "", id="so is a long list"),
        pytest.param("vast", 10**5_000, "", id="nor a very long number"),
        pytest.param("names", collections.OrderedDict(a=1), "", id="a subclass is not the plain type"),
        pytest.param("closure", types.SimpleNamespace(), "", id="an object has no text"),
        pytest.param("fake", type("sin", (), {"__module__": "math"}), "", id="a name that its module lacks"),
    ],
)
def test_recipe_of_a_value(name: str, value: Any, text: str) -> None:
    assert written({name: value}) == {name: text}


def notebook(source: str) -> dict[str, Any]:
    """Run cells as a notebook does."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), namespace)
    return namespace


def test_recipes_of_functions_and_classes_follow_those_they_use() -> None:
    names = notebook(
        "import math\nSCALE = 3\nunused = 4\n"
        "class Base:\n    def f(self): return math.pi\n"
        "class Net(Base):\n    def g(self): return [SCALE for _ in range(2)]\n"
        "def run(): return Net().g() + again()\n"
        "def again(): return run\n"
    )
    recipes = written({"run": names["run"]}, names)
    assert recipes == {
        "math": "import math",
        "Base": "Cell [3]:5",
        "SCALE": "3",
        "Net": "Cell [3]:7",
        "again": "Cell [3]:9",
        "run": "Cell [3]:8",
    }
    assert list(recipes).index("Base") < list(recipes).index("Net") < list(recipes).index("run")


def test_names_of_ipython_have_no_recipe() -> None:
    names = notebook("In = ['x']\ndef last(): return In[-1]")
    assert list(written({"last": names["last"]}, names)) == ["last"]


def test_recipes_run_no_code_of_values_and_are_limited() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise AssertionError

        def __eq__(self, other: object) -> bool:
            raise AssertionError

        def __getattr__(self, name: str) -> object:
            raise AssertionError

        __hash__ = None  # type: ignore[assignment]

    values: dict[str, Any] = {f"n{i}": Hostile() for i in range(1_000)}
    recipes = build_recipes(values, {}, {})
    assert len(recipes) == LIMIT
    assert recipes[0] == Recipe("n0", recipes[0].type)
