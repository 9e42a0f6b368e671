"""This computer: state folder, daemon, surroundings, isolation, limits, warm start. Looks only; starts nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Sequence

from jupyter_trainjob import errors
from jupyter_trainjob.client.doctor.check import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.cluster import presence, settings, surroundings
from jupyter_trainjob.cluster.agent import gpus, isolation
from jupyter_trainjob.cluster.agent import limits as enforcement
from jupyter_trainjob.cluster.state import StateDir, state_dir
from jupyter_trainjob.constants import STATE_DIR_ENV, VERSION

COLD = "does not start programs warm"
"""What the daemon's log says of an interpreter whose fork server is of no use."""
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
    found = presence.find(state)
    if found is None:
        return [Check("daemon", OK, f"not running; it starts with the first job.{_last_words(state)}")]
    if found.phase is not presence.Phase.SERVING:
        return [Check("daemon", NOTE, f"it is {found.phase.value}; its log: {state.log}", "Look again in a minute.")]
    try:
        presence.check(found, state)
    except errors.ClusterError as error:
        return [Check("daemon", PROBLEM, str(error), "No job can be sent before that.")]
    what = f"version {found.version}, pid {found.pid}, https://127.0.0.1:{found.port}, log {state.log}"
    if found.version != VERSION:
        todo = "It works with this package, and makes way for its version when it is idle."
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


def limits() -> list[Check]:
    """Look at who holds programs to their memory and CPUs."""
    found = enforcement.probe()
    what = f"memory is held by {found.memory_by}, CPUs by {found.cpu_by}"
    if found.memory and found.cpu:
        return [Check("limits", OK, what)]
    todo = "The watcher looks several times a second, so a program that grows very fast may still fill the memory."
    return [Check("limits", NOTE, f"{what}: {found.refusal}" if found.refusal else what, "" if found.memory else todo)]


def devices() -> list[Check]:
    """Look for GPUs, through NVIDIA's library of management."""
    found = gpus.found(gpus.Library())
    if not found:
        hidden = f" ({gpus.SETTING}={os.environ[gpus.SETTING]})" if os.environ.get(gpus.SETTING) else ""
        return [Check("GPUs", OK, f"none{hidden}; jobs run on CPUs")]
    names = ", ".join(f"{gpu.index}: {gpu.name}, {gpu.memory / 2**30:.0f} GiB" for gpu in found)
    return [Check("GPUs", OK, f"{len(found)} for --gpus ({names})")]


def around() -> list[Check]:
    """Look at what ends the daemon and its jobs early here, or takes their files."""
    state = state_dir()
    found = surroundings.look(state.root)
    if state.moved_from is not None:
        found.append(surroundings.moved(state.moved_from, state.root))
    return [Check(each.name, NOTE, each.what, each.what_to_do) for each in found]


def chosen_settings() -> list[Check]:
    """Look at the user's settings."""
    try:
        chosen = settings.load()
    except errors.UsageError as error:
        return [Check("settings", PROBLEM, str(error), "No daemon starts before that.")]
    days = f"{chosen.keep_days:g} days" if chosen.keep_days else "for ever"
    space = f", at most {chosen.keep_gib:g} GiB" if chosen.keep_gib else ""
    idle = f"after {chosen.idle_minutes:g} idle minutes" if chosen.idle_minutes else "never by itself"
    return [Check("settings", OK, f"finished jobs are kept {days}{space}; the daemon ends {idle}")]


def warm_start() -> list[Check]:
    """Look at whether jobs of this interpreter start warm."""
    if importlib.util.find_spec("torch") is None:
        what = f"{sys.executable} has no torch: jobs of torch-distributed fail, --runtime plain works"
        return [Check("warm start", NOTE, what, "Install torch into this environment.")]
    refusal = next((line for line in reversed(_log_lines()) if f"{sys.executable} {COLD}" in line), "")
    if refusal:
        what = f"jobs of {sys.executable} start cold, in seconds: {refusal.partition(COLD)[2].strip(': ')}"
        return [Check("warm start", NOTE, what, "`jupyter trainjob cluster stop`, and the next job tries again.")]
    return [Check("warm start", OK, f"{sys.executable} has torch: jobs of torch-distributed start from a fork server")]


def _log_lines() -> list[str]:
    """Return the end of the daemon's log."""
    try:
        return state_dir().log.read_text(errors="replace").splitlines()[-200:]
    except OSError:
        return []


def _last_words(state: StateDir) -> str:
    """Return the last error in the daemon's log, if it has one."""
    bad = [line for line in _log_lines() if " ERROR " in line or line.startswith("Traceback")]
    return f" The last error in {state.log}: {bad[-1]}" if bad else ""


LOOKS: tuple[tuple[str, Callable[[], Sequence[Check]]], ...] = (
    ("state folder", state_folder),
    ("daemon", daemon),
    ("settings", chosen_settings),
    ("surroundings", around),
    ("isolation", namespaces),
    ("limits", limits),
    ("GPUs", devices),
    ("warm start", warm_start),
)
