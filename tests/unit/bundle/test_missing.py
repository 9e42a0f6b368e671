"""Files that the code of a job names, and that would be missing."""

from __future__ import annotations

import ast
import types
from pathlib import Path

import pytest

from jupyter_trainjob.bundle import missing
from jupyter_trainjob.bundle.modules import Module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for name in ("a.csv", "data/b.csv", "data/deep/c.txt"):
        (tmp_path / name).write_text("1")
    return tmp_path


MISSED: dict[str, tuple[str, list[str]]] = {
    "one that is read": ("open('a.csv')", ["a.csv"]),
    "one in a folder": ("pd.read_csv('data/b.csv')", ["data/b.csv"]),
    "one that is sent": ("open('data/deep/c.txt')", []),
    "one that is written": ("df.to_csv('a.csv'); open('a.csv', 'w'); np.save('a.csv', x)", []),
    "a URL": ("read('https://a.csv')", []),
    "a text": ("print('a.csv is read')", []),
    "one that lies elsewhere": ("open('/etc/hosts')", []),
    "none": ("open('b.csv')", []),
}


@pytest.mark.parametrize(("source", "names"), MISSED.values(), ids=MISSED.keys())
def test_missed(folder: Path, source: str, names: list[str]) -> None:
    assert list(missing.files(missing.named(ast.parse(source)), folder, ["data/deep/c.txt"])) == names


FUNCTIONS: dict[str, tuple[str, list[str]]] = {
    "one that a function reads": ("def f():\n    return open('a.csv')", ["a.csv"]),
    "one that a function writes": ("def f(d):\n    d.to_csv('a.csv')", []),
    "one that a function within it reads": ("def f():\n    def g(): open('a.csv')\n    return g", ["a.csv"]),
    "one below a decorator": ("import functools\n@functools.cache\ndef f():\n    return open('a.csv')", ["a.csv"]),
    "a lambda's": ("f = lambda: open('a.csv')", ["a.csv"]),
    "one that only another function names": ("def f(): pass\n\ndef g(): open('a.csv')", []),
    "a docstring": ("def f():\n    'Reads a.csv.'", []),
}


@pytest.mark.parametrize("known", [True, False], ids=["with its source", "without"])
@pytest.mark.parametrize(("source", "names"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_missed_by_functions(folder: Path, source: str, names: list[str], known: bool) -> None:
    variables: dict[str, types.FunctionType] = {}
    exec(compile(source, "<cell>", "exec"), variables)
    function = getattr(variables["f"], "__wrapped__", variables["f"])
    found = missing.named_by_functions([function.__code__], {"<cell>": source} if known else {})
    if not known and "to_csv" in source:
        names = ["a.csv"]  # What happens to it is not in the code's constants.
    assert list(missing.files(found, folder, [])) == names


def test_missed_by_modules(folder: Path) -> None:
    path = folder / "helpers.py"
    path.write_text("NAMES = ['a.csv']\ndef rows():\n    open('data/deep/c.txt', 'w')\n    return open('data/b.csv')\n")
    broken = folder / "broken.py"
    broken.write_text("def rows(:\n")
    local = Module("helpers", by_value=True, files=(("helpers.py", path), ("broken.py", broken)))
    named = missing.named_by_modules([local])
    assert list(missing.files(named, folder, [])) == ["data/b.csv"]
