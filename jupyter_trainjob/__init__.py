"""Train a notebook cell on many nodes.

``%load_ext jupyter_trainjob`` brings the magics ``%%trainjob`` and ``%trainjob``; the names below do the same from
Python. They are imported when they are first used: loading the extension takes a tenth of a second.

The way of a cell: `magics` → `client` → `bundle` → `kube` → `controller` → `cluster` (or Kubernetes) → `worker` →
`metrics` → `widget`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from jupyter_trainjob.constants import VERSION

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_trainjob.client.context import use
    from jupyter_trainjob.client.decorator import trainjob
    from jupyter_trainjob.client.queries import get, list_jobs
    from jupyter_trainjob.client.spec.runtimes import list_runtimes
    from jupyter_trainjob.client.submit import submit
    from jupyter_trainjob.client.trainjob import TrainJob
    from jupyter_trainjob.widget.panel import panel
    from jupyter_trainjob.worker.report import report
    from jupyter_trainjob.worker.storage.job_dirs import checkpoint_dir, output_dir

__version__ = VERSION

__all__ = [
    "TrainJob",
    "checkpoint_dir",
    "get",
    "list_jobs",
    "list_runtimes",
    "output_dir",
    "panel",
    "report",
    "submit",
    "trainjob",
    "use",
]

_HOME = {
    "TrainJob": "client.trainjob",
    "checkpoint_dir": "worker.storage.job_dirs",
    "get": "client.queries",
    "list_jobs": "client.queries",
    "list_runtimes": "client.spec.runtimes",
    "output_dir": "worker.storage.job_dirs",
    "panel": "widget.panel",
    "report": "worker.report",
    "submit": "client.submit",
    "trainjob": "client.decorator",
    "use": "client.context",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics: ``%load_ext jupyter_trainjob``."""
    from jupyter_trainjob.magics.extension import register

    register(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Return where `jupyter-builder develop` finds the built extension of JupyterLab."""
    return [{"src": "labextension", "dest": "jupyter-trainjob"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Return the server extension, which feeds the sidebar."""
    from jupyter_trainjob.server.app import TrainJobApp

    return [{"module": "jupyter_trainjob.server.app", "app": TrainJobApp}]
