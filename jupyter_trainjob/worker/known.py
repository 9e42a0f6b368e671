"""The names by which a notebook knows some modules of the worker: the job's own copies answer to them.

So there is one reporter in a process, whether the real package is installed there or not, and what pickles name is
found on both sides.
"""

from __future__ import annotations

import sys

from . import arrays, classes, folder, instances, magics, rebuilt, report, shell, skeletons, tensors
from .protocol import PACKAGE


def install() -> None:
    """Let the copies answer from now on."""
    for module in (report, arrays, classes, folder, instances, magics, rebuilt, shell, skeletons, tensors):
        name = module.__name__.removeprefix(PACKAGE + ".").removeprefix("jupyter_trainjob.worker.")
        sys.modules[f"jupyter_trainjob.worker.{name}"] = module
