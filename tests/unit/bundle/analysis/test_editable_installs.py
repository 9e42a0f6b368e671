"""Packages installed in editable mode are sent as files, with real builds into a real environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.needs import install, uv
from tests.paths import ROOT

FOUND = """
import json
from jupyter_trainjob.bundle.analysis.local_modules import find_modules
modules = find_modules(%s)
print(json.dumps({module.name: [module.by_value, sorted(name for name, _ in module.files)] for module in modules}))
"""
SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=70"]\nbuild-backend = "setuptools.build_meta"\n'
DATA = '[tool.setuptools.package-data]\n"*" = ["*.csv"]\n'
SRC = f'{DATA}[tool.setuptools.packages.find]\nwhere = ["src"]\n'
HATCH = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
FLIT = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
KINDS: dict[str, tuple[str, str, list[str]]] = {
    # name: what builds it, its folder in the project, options of the installation
    "flatpkg": (SETUPTOOLS + DATA, ".", []),
    "srcpkg": (SETUPTOOLS + SRC, "src", []),
    "strictpkg": (SETUPTOOLS + SRC, "src", ["--config-setting", "editable_mode=strict"]),
    "compatpkg": (SETUPTOOLS + SRC, "src", ["--config-setting", "editable_mode=compat"]),
    "hatchpkg": (f'{HATCH}[tool.hatch.build.targets.wheel]\npackages = ["src/hatchpkg"]\n', "src", []),
    "flitpkg": (FLIT, "src", []),
}


def _project(folder: Path, name: str, backend: str, inside: str) -> Path:
    package = folder / inside / name / "deep"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text('"""A package."""\nfrom .deep import rows\n')
    (package / "__init__.py").write_text("def rows():\n    return 3\n")
    (package.parent / "table.csv").write_text("1,2\n")
    (folder / "pyproject.toml").write_text(
        f'{backend}\n[project]\nname = "{name}"\nversion = "1.0"\ndescription = "x"\n'
    )
    return folder


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_editable_installation_of_every_kind_is_sent_with_its_data(tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, str(tmp_path / "environment")], check=True)
    for name, (backend, inside, options) in KINDS.items():
        project = _project(tmp_path / name, name, backend, inside)
        install(python, "--editable", str(project), options=options)
    paths = [str(ROOT), sysconfig.get_path("purelib")]
    completed = subprocess.run(
        [str(python), "-c", FOUND % json.dumps(list(KINDS))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path / "environment",
    )
    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout) == {
        name: [True, [f"{name}/__init__.py", f"{name}/deep/__init__.py", f"{name}/table.csv"]] for name in KINDS
    }
