"""Kernels of several Python environments that share one daemon."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.paths import ROOT
from tests.waiting import patience

pytestmark = pytest.mark.timeout(120)

PROGRAM = """
import jupyter_trainjob

def seen():
    import flavour, sys
    return flavour.__version__, sys.executable

print(*jupyter_trainjob.submit(seen).result(timeout=90))
"""


def environment(folder: Path, version: str) -> Path:
    """Create an environment with its own version of one package; the others are those of the tests."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "flavour.py").write_text(f"__version__ = {version!r}\n")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "tests.pth").write_text("\n".join([*here, str(ROOT)]))
    launcher = folder / "bin" / "torchrun"
    launcher.write_text(f"#!{folder}/bin/python\nfrom torch.distributed.run import main\nmain()\n")
    launcher.chmod(0o755)
    return folder / "bin" / "python"


def test_job_runs_in_the_environment_of_its_kernel(cluster: StateDir, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        python = environment(tmp_path / version, version)
        done = subprocess.run(
            [python, "-c", PROGRAM],
            capture_output=True,
            text=True,
            timeout=patience(110),
            env=dict(os.environ),
            check=False,
        )
        assert done.stdout.split() == [version, str(python)], done.stderr
