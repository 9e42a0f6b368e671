"""Alias the bundled worker modules under their installed names, for pickle.

So a process has one `report`, whether or not the real package is installed in it, and pickles refer to the same module
names in the notebook and in the job.
"""

from __future__ import annotations

import sys
import types

from . import report
from .notebook import notebook_magics, shell
from .pickling import array_views, class_reducers, instance_reducers, returned_classes, stdlib_reducers, tensor_storages
from .protocol import PACKAGE
from .storage import job_dirs


def install() -> None:
    """Register the bundled modules under their installed names in `sys.modules`."""
    for module in (
        report,
        array_views,
        returned_classes,
        job_dirs,
        instance_reducers,
        notebook_magics,
        stdlib_reducers,
        shell,
        class_reducers,
        tensor_storages,
    ):
        name = module.__name__.removeprefix(PACKAGE + ".").removeprefix("jupyter_trainjob.worker.")
        name = f"jupyter_trainjob.worker.{name}"
        sys.modules[name] = module
        for value in vars(module).values():  # A result may contain one of them.
            if isinstance(value, (types.FunctionType, type)) and value.__module__ == module.__name__:
                value.__module__ = name
