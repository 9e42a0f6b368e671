from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HEAVY = ("kubernetes", "jupyter_trainjob.bundle.capture", "jupyter_trainjob.client.trainjob")
PROGRAM = f"""
import sys
from jupyter_trainjob.cli.main import main
code = main(["list", "--context", "nope"])
print(code, [name for name in {HEAVY} if name in sys.modules])
"""


def test_unknown_context_is_reported_before_slow_imports(tmp_path: Path) -> None:
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "absent")}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert "There is no context 'nope'" in run.stderr
    assert run.stdout == "1 []\n"
