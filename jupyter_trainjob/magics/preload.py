"""Import the modules for a kernel's first job in the background, after ``%load_ext``, while no cell runs.

Modules are imported one by one, dependencies first, and imports pause while a cell runs: a cell never waits, and
competes with one import at most. A fork waits for the current import, since the child could never acquire the lock of a
partially imported module. Modules that are not imported yet when a job is sent are imported then.
"""

from __future__ import annotations

import importlib
import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MODULES: Final = (
    "yaml",
    "psutil",
    "urllib3",
    "numpy",
    "cloudpickle",
    "ipywidgets.widgets.widget",
    "ipywidgets",
    "anywidget",
    "jupyter_trainjob.kube.http_transport",
    "jupyter_trainjob.api.kinds.pods",
    "jupyter_trainjob.metrics.history",
    "jupyter_trainjob.cluster.daemon.launcher",
    "jupyter_trainjob.client.context",
    "jupyter_trainjob.client.state.derive",
    "jupyter_trainjob.bundle.capture",
    "jupyter_trainjob.bundle.archive",
    "jupyter_trainjob.client.trainjob",
    "jupyter_trainjob.client.submit",
    "jupyter_trainjob.rendering.picture",
    "jupyter_trainjob.widget.model",
    "jupyter_trainjob.metrics.series",
)
"""Modules in the order of their dependencies; missing ones are skipped."""
SETTLE: Final = 0.3
"""Seconds to wait after a cell, as the next one may follow at once."""
PAUSE: Final = 0.005
"""Seconds between two imports, in which a cell can start."""


class Preload:
    """Imports modules on a thread between cells."""

    def __init__(self, modules: tuple[str, ...] = MODULES) -> None:
        self._modules = modules
        self._idle = threading.Event()
        self._busy = threading.Event()
        self._importing = threading.RLock()
        self.thread = threading.Thread(target=self._run, name="trainjob-preload", daemon=True)

    def start(self) -> None:
        """Start the thread; it waits for the end of the current cell."""
        os.register_at_fork(
            before=self._importing.acquire,
            after_in_parent=self._importing.release,
            after_in_child=self._importing.release,
        )
        self.thread.start()

    def pause(self, *_: object) -> None:
        """Pause imports: a cell starts."""
        self._idle.clear()
        self._busy.set()

    def resume(self, *_: object) -> None:
        """Resume imports: a cell has finished."""
        self._busy.clear()
        self._idle.set()

    def _run(self) -> None:
        pause = SETTLE
        for module in self._modules:
            self._idle.wait()
            while self._busy.wait(pause):
                self._idle.wait()
                pause = SETTLE
            pause = PAUSE
            with self._importing:
                try:
                    importlib.import_module(module)
                except Exception:  # noqa: BLE001, S112 - the import that needs it reports the error
                    continue


def install(shell: InteractiveShell) -> None:
    """Start to preload, once, and in kernels only."""
    if getattr(shell, "kernel", None) is None or any(
        thread.name == "trainjob-preload" for thread in threading.enumerate()
    ):
        return
    preload = Preload()
    shell.events.register("pre_execute", preload.pause)
    shell.events.register("post_execute", preload.resume)
    preload.start()
