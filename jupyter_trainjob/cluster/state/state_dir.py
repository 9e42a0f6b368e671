"""The state folder of the embedded cluster: one for each user.

Everything in it is private to the user (0700). The folder must be on a local disk: it holds SQLite databases and locks.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.cluster.state import host_environment
from jupyter_trainjob.constants import STATE_DIR_ENV


@dataclass(frozen=True, slots=True)
class StateDir:
    """The paths inside the state folder."""

    root: Path
    moved_from: Path | None = None
    """The usual folder, on a network file system, that this one replaces."""

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
        """Return the lock file that serialises the start of a daemon."""
        return self.cluster / "launch.lock"

    @property
    def daemon(self) -> Path:
        """Return the file in which the daemon records its pid, port, version and phase."""
        return self.cluster / "daemon.json"

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig of the embedded cluster."""
        return self.cluster / "kubeconfig"

    @property
    def reported_findings(self) -> Path:
        """Return the file with the names of the findings about the host that the user has seen."""
        return self.cluster / "told.json"

    @property
    def log(self) -> Path:
        """Return the daemon's own log."""
        return self.cluster / "daemon.log"

    @property
    def store(self) -> Path:
        """Return the database with the objects."""
        return self.cluster / "store.db"

    @property
    def quarantine(self) -> Path:
        """Return the folder of objects that the daemon cannot process."""
        return self.cluster / "set-aside"

    @property
    def agent(self) -> Path:
        """Return the folder of the agent: one folder per pod."""
        return self.cluster / "agent"

    @property
    def claims(self) -> Path:
        """Return the folder of volumes: one folder per PersistentVolumeClaim."""
        return self.agent / "claims"

    @property
    def jobs(self) -> Path:
        """Return the folder of job folders, which outlive pods: one per TrainJob, by namespace and name."""
        return self.cluster / "jobs"

    @property
    def history(self) -> Path:
        """Return the database of job histories, of all clusters."""
        return self.root / "history.db"

    def create(self) -> StateDir:
        """Create the folders. Raises `errors.ClusterError` if that fails, or the place is unsuitable."""
        if kind := host_environment.network_file_system(self.root):
            raise errors.ClusterError(
                f"The state folder {self.root} is on a network file system ({kind}), where locks and SQLite do not "
                f"hold. Set {STATE_DIR_ENV} to a folder on a local disk of this computer."
            )
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.cluster.mkdir(exist_ok=True, mode=0o700)
            owner = self.cluster.stat().st_uid
            probe = self.cluster / f".writable-{os.getpid()}-{threading.get_ident()}"
            try:
                probe.write_bytes(b"x" * 4096)  # on a full disk an empty file can still be created
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0, f"Set {STATE_DIR_ENV} to a folder on a local disk that you own.")
            message = (
                f"The state folder {self.root} cannot be written: {error.strerror or error}. The embedded cluster "
                f"keeps its objects and logs there. {remedy}"
            )
            raise errors.ClusterError(message) from error
        if owner != os.getuid():
            raise errors.ClusterError(
                f"The state folder {self.root} belongs to another user (uid {owner}), who could read your jobs. "
                f"Set {STATE_DIR_ENV} to a folder that you own."
            )
        return self


_REMEDIES = {
    errno.ENOSPC: f"Free some space, or set {STATE_DIR_ENV} to a folder on another local disk.",
    errno.EDQUOT: f"Your quota is used up: remove something, or set {STATE_DIR_ENV} to a folder on another local disk.",
}
_LOCAL_FOLDERS = (Path("/var/tmp"), Path(tempfile.gettempdir()))  # noqa: S108 - a folder of the user's own in it
"""World-writable local folders, those that survive a restart first."""


def state_dir(*, network: Callable[[Path], str | None] = host_environment.network_file_system) -> StateDir:
    """Return the user's state folder: ``TRAINJOB_STATE_DIR``, else ``XDG_STATE_HOME``, else ``~/.local/state``.

    If the last two are on a network file system, as home folders on clusters are, it is a local folder instead.
    """
    chosen = os.environ.get(STATE_DIR_ENV)
    if chosen:
        return StateDir(Path(chosen).expanduser().absolute())
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    usual = Path(base) / "jupyter_trainjob"
    if network(usual) is None:
        return StateDir(usual)
    local = next((folder for folder in _LOCAL_FOLDERS if network(folder) is None), None)
    if local is None:
        return StateDir(usual)  # `create` raises an error with the remedy.
    return StateDir(local / f"jupyter_trainjob-{os.getuid()}", moved_from=usual)
