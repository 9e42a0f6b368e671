"""The wheel contains the widget and the JupyterLab extension, and its installation needs no Node."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from jupyter_trainjob.constants import VERSION
from tests import needs
from tests.ui import tools
from tests.waiting import patience

ROOT = tools.LABEXTENSION.parent
NODELESS = {**os.environ, "PATH": os.defpath, "PYTHONWARNINGS": "ignore"}


def _build(kind: str, folder: Path) -> Path:
    tools.node()
    needs.module("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", folder],
        cwd=ROOT,
        env=NODELESS,
        check=True,
        capture_output=True,
        timeout=patience(60),
    )
    (built,) = folder.iterdir()
    return built


def test_jupyterlab_finds_the_extension_of_the_wheel(tmp_path: Path) -> None:
    wheel = _build("wheel", tmp_path / "dist")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert (tmp_path / "site" / "jupyter_trainjob" / "widget" / "static" / "widget.js").exists()
    (share,) = (tmp_path / "site").glob("*.data/data/share/jupyter")
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", "labextension", "list"],
        env={**NODELESS, "JUPYTER_PATH": str(share)},
        check=True,
        capture_output=True,
        text=True,
        timeout=patience(60),
    )
    (line,) = (line for line in listed.stderr.splitlines() if "jupyter-trainjob" in line)
    assert VERSION in line
    assert "enabled" in line
    assert "OK" in line
    assert "(python, jupyter_trainjob)" in line
    assert str(share) in listed.stderr


def test_wheel_is_built_from_an_sdist_without_node(tmp_path: Path) -> None:
    sdist = _build("sdist", tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / sdist.name.removesuffix(".tar.gz")
    spec = importlib.util.spec_from_file_location("trainjob_unpacked_build", folder / "labextension" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert build.is_current()


def test_front_end_has_the_version_of_the_package() -> None:
    assert json.loads((tools.LABEXTENSION / "package.json").read_text())["version"] == VERSION
