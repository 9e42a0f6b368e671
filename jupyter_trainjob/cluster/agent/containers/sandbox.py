"""The folder of one pod on this node.

::

    pods/<uid>/pod.json          the pod as it was accepted
               hosts  volumes/   shared by its containers
               run/<container>/<attempt>/   see `run.Run`

An attempt is the ``restartCount`` of a container's status. The last two are kept, as in kubelet: the current one, and
the previous one for ``kubectl logs --previous``.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.containers.container_run import Run, read_json
from jupyter_trainjob.cluster.agent.shim import shim
from jupyter_trainjob.cluster.agent.volumes import pod_volumes


class Sandbox:
    """The folder of a pod. Construction does not access the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.volumes = folder / "volumes"
        self.hosts = folder / "hosts"

    def create(self, pod: KubeObject) -> None:
        """Make the folder, private to this user."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.volumes.mkdir(exist_ok=True)
        shim.write_json(str(self.folder / "pod.json"), pod)

    def pod(self) -> KubeObject | None:
        """Return the pod as it was accepted."""
        return read_json(self.folder / "pod.json")

    def run(self, container: str, attempt: int) -> Run:
        """Return the folder of one run, which need not exist."""
        return Run(self.folder / "run" / container / str(attempt), container, attempt)

    def runs(self, container: str) -> list[Run]:
        """Return the existing runs of a container, oldest first."""
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
        """Remove the folder and the in-memory volumes."""
        pod_volumes.remove_memory_volumes(self.volumes)
        shutil.rmtree(self.folder, ignore_errors=True)
