"""The folder of one pod on this node.

::

    pods/<uid>/pod.json          the pod as it was accepted
               hosts  volumes/   what its containers share
               run/<container>/<attempt>/   see `run.Run`

An attempt is what a container's status calls ``restartCount``. The last two are kept, as kubelet does: the one that
runs, and the one before it for ``kubectl logs --previous``.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import shim, volumes
from jupyter_trainjob.cluster.agent.run import Run, read_json


class Sandbox:
    """A pod's folder. Cheap to make; touches the disk only when asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.volumes = folder / "volumes"
        self.hosts = folder / "hosts"

    def create(self, pod: Object) -> None:
        """Make the folder, private to this user."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.volumes.mkdir(exist_ok=True)
        shim.write_json(str(self.folder / "pod.json"), pod)

    def pod(self) -> Object | None:
        """Return the pod as it was accepted."""
        return read_json(self.folder / "pod.json")

    def run(self, container: str, attempt: int) -> Run:
        """Return the folder of one run, which need not exist."""
        return Run(self.folder / "run" / container / str(attempt), container, attempt)

    def runs(self, container: str) -> list[Run]:
        """Return the runs of a container that there are, oldest first."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = [path.name for path in (self.folder / "run" / container).iterdir()]
            return [self.run(container, number) for number in sorted(int(name) for name in names if name.isdigit())]
        return []

    def all_runs(self) -> list[Run]:
        """Return the runs of all containers."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return [run for path in sorted((self.folder / "run").iterdir()) for run in self.runs(path.name)]
        return []

    def remove(self) -> None:
        """Remove the folder, and what its volumes keep elsewhere."""
        volumes.remove(self.volumes)
        shutil.rmtree(self.folder, ignore_errors=True)
