"""Kernels of several environments on one daemon: each job runs in the Python of the kernel that sent it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.state import StateDir

pytestmark = pytest.mark.timeout(120)

PROGRAM = """
import jupyter_trainjob

def seen():
    import flavour, sys
    return flavour.__version__, sys.executable

print(*jupyter_trainjob.submit(seen).result(timeout=90))
"""


def environment(folder: Path, version: str) -> Path:
    """Make an environment with a package of its own version; all others are those of the tests."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "flavour.py").write_text(f"__version__ = {version!r}\n")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "tests.pth").write_text("\n".join([*here, str(Path(__file__).parents[2])]))
    launcher = folder / "bin" / "torchrun"
    launcher.write_text(f"#!{folder}/bin/python\nfrom torch.distributed.run import main\nmain()\n")
    launcher.chmod(0o755)
    return folder / "bin" / "python"


def test_each_job_runs_in_the_environment_of_its_kernel(cluster: StateDir, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        python = environment(tmp_path / version, version)
        done = subprocess.run(
            [python, "-c", PROGRAM], capture_output=True, text=True, timeout=110, env=dict(os.environ), check=False
        )
        assert done.stdout.split() == [version, str(python)], done.stderr
