"""Modules that are sent as files, and modules that the job imports from its own environment."""

from __future__ import annotations

import ast
import importlib
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.bundle.analysis import local_modules
from jupyter_trainjob.errors import CaptureError

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
def notebook_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    assert not {"alone", "package", "third", "space", "broken"} & sys.modules.keys(), "nothing was imported"


def test_modules_next_to_the_notebook_are_sent_with_their_imports(notebook_dir: Path) -> None:
    modules = {module.name: module for module in local_modules.find_modules(["alone"])}
    assert {name: module.by_value for name, module in modules.items()} == {
        "alone": True,
        "numpy": False,
        "package": True,
        "third": True,
    }
    assert [name for name, _ in modules["package"].files] == [
        "package/__init__.py",
        "package/data/words.txt",
        "package/sub.py",
    ]
    assert modules["numpy"].version


def test_namespace_package_is_sent(notebook_dir: Path) -> None:
    (module,) = local_modules.find_modules(["space.inner"])
    assert [name for name, _ in module.files] == ["space/inner.py"]


def test_missing_or_invalid_module_is_not_sent(notebook_dir: Path) -> None:
    assert local_modules.find_modules(["nothing.at.all", "__main__", "sys", "json", "jupyter_trainjob"]) == ()
    assert [module.name for module in local_modules.find_modules(["broken"])] == ["broken"]


def test_link_out_of_a_package_is_not_sent(notebook_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("x")
    (notebook_dir / "package" / "link").symlink_to(secret)
    (module,) = (
        local_module for local_module in local_modules.find_modules(["package"]) if local_module.name == "package"
    )
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
def test_imported_modules(source: str, expected: set[str]) -> None:
    assert local_modules.imported_modules(ast.parse(source)) == expected


def test_modules_imported_by_functions() -> None:
    def outer() -> None:
        def inner() -> None:
            import json.decoder  # noqa: F401

        inner()

    assert local_modules.modules_imported_by(outer.__code__) == {"json"}


STRANDED = {
    "created in sys.modules": ("made_by_hand", "it was created in sys.modules"),
    "in an archive": ("zipped", "it is in the archive"),
    "with a deleted file": ("lost", "its file .* does not exist"),
    "in a package, with a deleted file": ("kept.lost", "its file .* does not exist"),
}


@pytest.mark.parametrize(("name", "why"), STRANDED.values(), ids=STRANDED.keys())
def test_module_that_no_job_could_import_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("zipped.py", "value = 1")
    (tmp_path / "kept").mkdir()
    for file in ("lost.py", "kept/__init__.py", "kept/lost.py"):
        (tmp_path / file).write_text("value = 1")
    for entry in (tmp_path, tmp_path / "some.zip"):
        monkeypatch.syspath_prepend(str(entry))
    for module_name in ("made_by_hand", "zipped", "lost", "kept", "kept.lost"):
        module = (
            types.ModuleType(module_name) if module_name == "made_by_hand" else importlib.import_module(module_name)
        )
        monkeypatch.setitem(sys.modules, module_name, module)
    (tmp_path / "lost.py").unlink()
    (tmp_path / "kept/lost.py").unlink()
    local_modules.check_sendable(
        ["json.decoder", "kept", "numpy.linalg", "torch.ops", "__main__", "sys", "os.path", "nowhere"]
    )
    with pytest.raises(
        CaptureError, match=f"(?s)The module {name} cannot be sent to the job: {why}.*beside the notebook"
    ):
        local_modules.check_sendable([name])
