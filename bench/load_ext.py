"""Duration of ``%load_ext jupyter_trainjob`` in a fresh IPython."""

from __future__ import annotations

import subprocess
import sys

from bench.table import Row

_PROGRAM = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
begun = time.perf_counter()
shell.run_line_magic("load_ext", "jupyter_trainjob")
print(time.perf_counter() - begun)
"""


def rows(repeat: int = 5) -> list[Row]:
    """Measure the duration in separate processes."""

    def once() -> float:
        run = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
        return float(run.stdout)

    return [Row("`%load_ext`", [once() for _ in range(repeat)], "s", "≤ 0.15 s")]
