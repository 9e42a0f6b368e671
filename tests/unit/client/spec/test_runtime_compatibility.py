"""Compatibility of a runtime's Python and packages with those of the notebook."""

from __future__ import annotations

import platform
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.client.spec import runtime_compatibility
from tests.paths import ROOT

HERE = ".".join(platform.python_version_tuple()[:2])


def runtime(python: str = "", packages: str = "") -> Any:
    stated = {"jupyter-trainjob.org/python-version": python, "jupyter-trainjob.org/packages": packages}
    return {"metadata": {"name": "gpu", "annotations": {key: value for key, value in stated.items() if value}}}


def capture(*modules: tuple[str, str], code: bool = True, by_value: bool = False) -> Any:
    libraries = [SimpleNamespace(name=name, version=version, by_value=by_value) for name, version in modules]
    return SimpleNamespace(has_code=code, modules=libraries)


def test_python_without_torch_is_rejected_for_a_torch_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "runtimes").glob("*.yaml")}
    runtime_compatibility.check_local_runtime(shipped["torch-distributed"])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "path", [])
    runtime_compatibility.check_local_runtime(shipped["plain"])
    with pytest.raises(errors.UsageError, match=r"has no torch\. Install it .*pip install torch.*--runtime plain"):
        runtime_compatibility.check_local_runtime(shipped["torch-distributed"])


def test_runtimes_that_run_the_program_on_a_launcher_only_are_rejected() -> None:
    for path in (ROOT / "runtimes").glob("**/*.yaml"):
        shipped = yaml.safe_load(path.read_text())
        if "mpi" in shipped["spec"]["mlPolicy"]:
            with pytest.raises(errors.UsageError, match=r"with mpirun, .* on the first node only.*Nothing was sent"):
                runtime_compatibility.check_launch(shipped)
        else:
            runtime_compatibility.check_launch(shipped)


FITS: dict[str, tuple[Any, Any]] = {
    "one that states nothing": (runtime(), capture(("torch", "2.15.0"))),
    "the same Python": (runtime(HERE), capture()),
    "the same Python to the last number": (runtime(f"{HERE}.9"), capture()),
    "another Python, if no code is sent": (runtime("3.1"), capture(code=False)),
    "the same release": (runtime("", "torch==2.15.1 numpy==2.3"), capture(("torch", "2.15.0+cpu"))),
    "a module sent by value": (runtime("", "own==1.0"), capture(("own", "2.0"), by_value=True)),
    "a module of Python's own": (runtime("", "torch==2.15"), capture(("json", ""))),
}


@pytest.mark.parametrize(("stated", "brought"), FITS.values(), ids=FITS.keys())
def test_compatible_runtime_has_no_note(stated: Any, brought: Any) -> None:
    assert runtime_compatibility.check_runtime(stated, brought) == ""


def test_different_minor_version_has_a_note() -> None:
    note = runtime_compatibility.check_runtime(runtime("", "torch==2.13.0, numpy==2.3"), capture(("torch", "2.15.0")))
    assert note == "The runtime 'gpu' has torch 2.13.0, the notebook has 2.15.0."


def test_unlisted_library_has_a_note() -> None:
    note = runtime_compatibility.check_runtime(
        runtime("", "torch==2.15"), capture(("torch", "2.15.0"), ("pandas", "3.0"), ("numpy", "2.3"))
    )
    assert note.startswith("The runtime 'gpu' lists its packages, and numpy, pandas are not among them: choose")


def test_different_major_version_and_python_are_rejected() -> None:
    with pytest.raises(errors.UsageError, match=r"has numpy 1\.26, the notebook has 2\.3\.1.*numpy==1\.26 here"):
        runtime_compatibility.check_runtime(runtime("", "numpy==1.26"), capture(("numpy", "2.3.1")))
    with pytest.raises(errors.UsageError, match=rf"has Python 3\.1, the notebook has {HERE}"):
        runtime_compatibility.check_runtime(runtime("3.1"), capture())
