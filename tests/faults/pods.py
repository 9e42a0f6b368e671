"""A bare pod that a test controls: it counts its starts, waits for a signal, and exits with code 5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import PODS
from jupyter_trainjob.client import context
from jupyter_trainjob.cluster.agent.containers.container_run import is_alive
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.faults.strikes import Running, runs
from tests.waiting import wait_for

PROGRAM = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
with (folder / 'starts').open('a') as file:
    file.write('+')
print('began', flush=True)
while not (folder / 'go').exists():
    time.sleep(0.02)
print('ended', flush=True)
sys.exit(5)
"""


class WaitingPod:
    """A pod that waits for its test; `folder` is the test's."""

    def __init__(self, state: StateDir, folder: Path, name: str = "waiting") -> None:
        self.name = name
        self._folder = folder / name
        self._folder.mkdir()
        command = ["python", "-c", PROGRAM, str(self._folder)]
        container = {"name": "main", "image": "none", "command": command, "workingDir": "/"}
        spec = {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 2}
        client = context.connect().client
        created = client.create(PODS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
        self._box = state.agent / "pods" / created["metadata"]["uid"]
        wait_for((self._folder / "starts").exists)
        wait_for(lambda: self.status().get("phase") == "Running")
        self.run: Running = next(run for run in runs(state) if run.folder.is_relative_to(self._box))

    @property
    def starts(self) -> int:
        """Return how often the program began."""
        return len((self._folder / "starts").read_text())

    @property
    def lives(self) -> bool:
        """Return whether the program is running."""
        return is_alive(self.run.pids["program"])

    def status(self) -> Any:
        """Return its status from the API."""
        return context.connect().client.get(PODS, self.name, namespace="default").get("status") or {}

    def go(self) -> None:
        """Make the program exit."""
        (self._folder / "go").touch()

    def ended(self) -> Any:
        """Wait for the terminated state of its container and return it."""
        wait_for(lambda: self.status().get("phase") in {"Succeeded", "Failed"})
        return self.status()["containerStatuses"][0]["state"]["terminated"]

    def delete(self) -> None:
        """Delete it and wait until it is gone from the API and the disk."""
        client = context.connect().client
        client.delete(PODS, self.name, namespace="default")
        wait_for(lambda: client.find(PODS, self.name, namespace="default") is None)
        wait_for(lambda: not self._box.exists())
