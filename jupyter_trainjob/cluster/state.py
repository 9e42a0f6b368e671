"""Where the embedded cluster keeps what must outlive its processes: one folder per user.

Everything in it is private to the user (0700). The folder must be on a local disk: it holds SQLite databases and locks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.constants import STATE_DIR_ENV


@dataclass(frozen=True, slots=True)
class StateDir:
    """The paths inside the state folder."""

    root: Path

    @property
    def cluster(self) -> Path:
        """Return the folder of the daemon."""
        return self.root / "cluster"

    @property
    def lock(self) -> Path:
        """Return the file that the running daemon holds a lock on."""
        return self.cluster / "daemon.lock"

    @property
    def launch_lock(self) -> Path:
        """Return the file that serialises those who want to start a daemon."""
        return self.cluster / "launch.lock"

    @property
    def daemon(self) -> Path:
        """Return the file with the running daemon's pid, port and version."""
        return self.cluster / "daemon.json"

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig of the embedded cluster."""
        return self.cluster / "kubeconfig"

    @property
    def log(self) -> Path:
        """Return the daemon's own log."""
        return self.cluster / "daemon.log"

    @property
    def store(self) -> Path:
        """Return the database with the objects."""
        return self.cluster / "store.db"

    @property
    def agent(self) -> Path:
        """Return the folder of the agent: one folder per pod."""
        return self.cluster / "agent"

    @property
    def claims(self) -> Path:
        """Return the folder of what outlives pods: one folder per PersistentVolumeClaim."""
        return self.cluster / "claims"

    @property
    def captures(self) -> Path:
        """Return the folder for captures that are too large for Secrets."""
        return self.cluster / "captures"

    @property
    def history(self) -> Path:
        """Return the database with what readers have seen of jobs, on any cluster."""
        return self.root / "history.db"

    def create(self) -> StateDir:
        """Make the folders; raise `errors.ClusterError` where that is not possible."""
        try:
            self.cluster.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.cluster / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            message = (
                f"The state folder {self.root} cannot be written: {error.strerror or error}. The embedded cluster "
                f"keeps its objects and logs there. Set {STATE_DIR_ENV} to a folder on a local disk that you own."
            )
            raise errors.ClusterError(message) from error
        return self


def state_dir() -> StateDir:
    """Return the user's state folder: ``TRAINJOB_STATE_DIR``, else ``XDG_STATE_HOME``, else ``~/.local/state``."""
    chosen = os.environ.get(STATE_DIR_ENV)
    if chosen:
        return StateDir(Path(chosen).expanduser().absolute())
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return StateDir(Path(base) / "jupyter_trainjob")
