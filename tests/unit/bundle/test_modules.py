"""Which modules travel as files, and which the job finds where it runs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.bundle import modules

FILES = {
    "alone.py": "import package.sub, json\nfrom numpy import array",
    "package/__init__.py": "from . import sub",
    "package/sub.py": "import third",
    "package/data/words.txt": "a",
    "package/.hidden": "x",
    "package/__pycache__/sub.pyc": "x",
    "third.py": "import alone",
    "space/inner.py": "",
    "broken.py": "def",
}


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    assert not {"alone", "package", "third", "space", "broken"} & sys.modules.keys(), "nothing was imported"


def test_what_lies_beside_the_notebook_travels_with_what_it_imports(beside: Path) -> None:
    found = {module.name: module for module in modules.found(["alone"])}
    assert {name: module.by_value for name, module in found.items()} == {
        "alone": True,
        "numpy": False,
        "package": True,
        "third": True,
    }
    assert [name for name, _ in found["package"].files] == [
        "package/__init__.py",
        "package/data/words.txt",
        "package/sub.py",
    ]
    assert found["numpy"].version


def test_a_package_without_an_init_travels(beside: Path) -> None:
    (module,) = modules.found(["space.inner"])
    assert [name for name, _ in module.files] == ["space/inner.py"]


def test_what_is_no_module_or_does_not_parse_is_left_to_the_job(beside: Path) -> None:
    assert modules.found(["nothing.at.all", "__main__", "sys", "json", "jupyter_trainjob"]) == ()
    assert [module.name for module in modules.found(["broken"])] == ["broken"]


def test_a_link_out_of_a_package_does_not_travel(beside: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("x")
    (beside / "package" / "link").symlink_to(secret)
    (module,) = (each for each in modules.found(["package"]) if each.name == "package")
    assert "package/link" not in dict(module.files)


IMPORTS: dict[str, set[str]] = {
    "import a.b, c as d": {"a", "c"},
    "from a.b import c": {"a"},
    "from . import a": set(),
    "def f():\n    import a": {"a"},
    "import importlib\nimportlib.import_module('a.b')": {"importlib", "a"},
    "__import__('a')": {"a"},
}


@pytest.mark.parametrize(("source", "expected"), IMPORTS.items())
def test_imports(source: str, expected: set[str]) -> None:
    assert modules.imported(ast.parse(source)) == expected


def test_imports_of_functions() -> None:
    def outer() -> None:
        def inner() -> None:
            import json.decoder  # noqa: F401

        inner()

    assert modules.imported_by(outer.__code__) == {"json"}
