"""What a runtime states is held against what a job brings along."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.client import fitting

HERE = ".".join(platform.python_version_tuple()[:2])


def runtime(python: str = "", packages: str = "") -> Any:
    stated = {"jupyter-trainjob.org/python-version": python, "jupyter-trainjob.org/packages": packages}
    return {"metadata": {"name": "gpu", "annotations": {key: value for key, value in stated.items() if value}}}


def capture(*modules: tuple[str, str], code: bool = True, by_value: bool = False) -> Any:
    found = [SimpleNamespace(name=name, version=version, by_value=by_value) for name, version in modules]
    return SimpleNamespace(has_code=code, modules=found)


def test_a_python_without_torch_is_told_before_torchrun_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = {
        path.stem: yaml.safe_load(path.read_text()) for path in (Path(__file__).parents[3] / "runtimes").iterdir()
    }
    fitting.check_here(shipped["torch-distributed"])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "path", [])
    fitting.check_here(shipped["plain"])
    with pytest.raises(errors.UsageError, match=r"has no torch\. Install it .*pip install torch.*--runtime plain"):
        fitting.check_here(shipped["torch-distributed"])


FITS: dict[str, tuple[Any, Any]] = {
    "one that states nothing": (runtime(), capture(("torch", "2.15.0"))),
    "the same Python": (runtime(HERE), capture()),
    "the same Python to the last number": (runtime(f"{HERE}.9"), capture()),
    "another Python, where no code travels": (runtime("3.1"), capture(code=False)),
    "the same release": (runtime("", "torch==2.15.1 numpy==2.3"), capture(("torch", "2.15.0+cpu"))),
    "a module that travels": (runtime("", "own==1.0"), capture(("own", "2.0"), by_value=True)),
    "a module of Python's own": (runtime("", "torch==2.15"), capture(("json", ""))),
}


@pytest.mark.parametrize(("stated", "brought"), FITS.values(), ids=FITS.keys())
def test_fits(stated: Any, brought: Any) -> None:
    assert fitting.check(stated, brought) == ""


def test_another_minor_version_is_told() -> None:
    told = fitting.check(runtime("", "torch==2.13.0, numpy==2.3"), capture(("torch", "2.15.0")))
    assert told == "The runtime 'gpu' has torch 2.13.0, the notebook has 2.15.0."


def test_a_library_that_is_not_listed_is_told() -> None:
    told = fitting.check(runtime("", "torch==2.15"), capture(("torch", "2.15.0"), ("pandas", "3.0"), ("numpy", "2.3")))
    assert told.startswith("The runtime 'gpu' lists its packages, and numpy, pandas are not among them: choose")


def test_another_major_version_and_another_python_are_refused() -> None:
    with pytest.raises(errors.UsageError, match=r"has numpy 1\.26, the notebook has 2\.3\.1.*numpy==1\.26 here"):
        fitting.check(runtime("", "numpy==1.26"), capture(("numpy", "2.3.1")))
    with pytest.raises(errors.UsageError, match=rf"has Python 3\.1, the notebook has {HERE}"):
        fitting.check(runtime("3.1"), capture())
