"""This computer: state folder, daemon, isolation, GPUs, warm start. Looks at files and processes; starts nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Sequence

from jupyter_trainjob.client.doctor.check import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.cluster import launch
from jupyter_trainjob.cluster.agent import isolation
from jupyter_trainjob.cluster.state import StateDir, state_dir
from jupyter_trainjob.constants import STATE_DIR_ENV, VERSION

LEAST_FREE = 2**30
"""Below this much free space, logs and volumes of jobs soon fill the disk."""


def state_folder() -> list[Check]:
    """Look at where objects, logs and volumes lie."""
    state = state_dir()
    folder = next(path for path in (state.root, *state.root.parents) if path.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        what = f"{state.root} cannot be written"
        return [Check("state folder", PROBLEM, what, f"Set {STATE_DIR_ENV} to a folder on a local disk that you own.")]
    free = shutil.disk_usage(folder).free
    space = f"{state.root}, {free / 2**30:.1f} GiB free"
    if free < LEAST_FREE:
        todo = f"Free some space, or set {STATE_DIR_ENV} to another local disk."
        return [Check("state folder", PROBLEM, space, todo)]
    checks = [Check("state folder", OK, space)]
    if state.root.exists() and state.root.stat().st_mode & 0o077:
        mode = f"others may look into {state.root} (mode {state.root.stat().st_mode & 0o777:o})"
        checks.append(Check("state folder", PROBLEM, mode, f"Run `chmod 700 {state.root}`."))
    return checks


def daemon() -> list[Check]:
    """Look at whether the daemon runs, which one it is, and how it last ended."""
    state = state_dir()
    found = launch.running(state)
    if found is None:
        return [Check("daemon", OK, f"not running; it starts with the first job.{_last_words(state)}")]
    what = f"version {found.version}, pid {found.pid}, https://127.0.0.1:{found.port}, log {state.log}"
    if found.version != VERSION:
        todo = "`jupyter trainjob cluster stop` ends it; running jobs go on, and the next use starts the new one."
        return [Check("daemon", NOTE, f"{what}; this package is {VERSION}", todo)]
    return [Check("daemon", OK, what)]


def namespaces() -> list[Check]:
    """Look at whether pods get a view of files and names of their own."""
    found = isolation.probe()
    if found.namespaces:
        way = "a user namespace" if found.user else "namespaces"
        return [Check("isolation", OK, f"pods get {way}: volumes lie at their mountPath, names of peers resolve")]
    return [
        Check(
            "isolation",
            NOTE,
            f"{found.refusal}: paths of volumes in command, args and env are rewritten instead",
            "Programs that build such paths themselves fail. On Ubuntu 24.04 "
            "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` allows namespaces; in Docker, --security-opt "
            "seccomp=unconfined does."
            if sys.platform == "linux"
            else "",
        )
    ]


def warm_start() -> list[Check]:
    """Look at whether jobs of this interpreter start warm."""
    if importlib.util.find_spec("torch") is None:
        what = f"{sys.executable} has no torch: jobs of torch-distributed fail, --runtime plain works"
        return [Check("warm start", NOTE, what, "Install torch into this environment.")]
    return [Check("warm start", OK, f"{sys.executable} has torch: jobs of torch-distributed start from a fork server")]


def _last_words(state: StateDir) -> str:
    """Return the last error in the daemon's log, if it has one."""
    try:
        lines = state.log.read_text(errors="replace").splitlines()[-200:]
    except OSError:
        return ""
    bad = [line for line in lines if " ERROR " in line or line.startswith("Traceback")]
    return f" The last error in {state.log}: {bad[-1]}" if bad else ""


LOOKS: tuple[tuple[str, Callable[[], Sequence[Check]]], ...] = (
    ("state folder", state_folder),
    ("daemon", daemon),
    ("isolation", namespaces),
    ("warm start", warm_start),
)
