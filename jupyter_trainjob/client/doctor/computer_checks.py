"""Checks of this computer: state folder, daemon, surroundings, isolation, limits, warm start. Read-only."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Sequence

from jupyter_trainjob import errors
from jupyter_trainjob.client.doctor.finding import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.cluster.agent.containers import isolation
from jupyter_trainjob.cluster.agent.containers.forkserver_pool import COLD, WARM
from jupyter_trainjob.cluster.agent.limits import container_limits as enforcement
from jupyter_trainjob.cluster.agent.limits import gpus
from jupyter_trainjob.cluster.daemon import daemon_status
from jupyter_trainjob.cluster.state import cluster_settings, host_environment
from jupyter_trainjob.cluster.state.state_dir import StateDir, state_dir
from jupyter_trainjob.cluster.store import quarantine
from jupyter_trainjob.constants import STATE_DIR_ENV, VERSION

MOST_NAMED = 5
"""Maximum number of objects listed by name."""
LEAST_FREE = 2**30
"""Minimum free space in bytes; with less, logs and volumes of jobs soon fill the disk."""


def check_state_folder() -> list[Check]:
    """Check that the state folder is writable, private and has free space."""
    state = state_dir()
    folder = next(path for path in (state.root, *state.root.parents) if path.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        message = f"{state.root} cannot be written"
        return [
            Check("state folder", PROBLEM, message, f"Set {STATE_DIR_ENV} to a folder on a local disk that you own.")
        ]
    free = shutil.disk_usage(folder).free
    space = f"{state.root}, {free / 2**30:.1f} GiB free"
    if free < LEAST_FREE:
        todo = f"Free some space, or set {STATE_DIR_ENV} to another local disk."
        return [Check("state folder", PROBLEM, space, todo)]
    checks = [Check("state folder", OK, space)]
    if state.root.exists() and state.root.stat().st_mode & 0o077:
        mode = f"other users can read {state.root} (mode {state.root.stat().st_mode & 0o777:o})"
        checks.append(Check("state folder", PROBLEM, mode, f"Run `chmod 700 {state.root}`."))
    return checks


def check_daemon() -> list[Check]:
    """Check whether the daemon runs, its version, and the last error in its log."""
    state = state_dir()
    status = daemon_status.find_daemon(state)
    if status is None:
        return [Check("daemon", OK, f"not running; it starts with the first job.{_last_error(state)}")]
    if status.phase is not daemon_status.Phase.SERVING:
        return [Check("daemon", NOTE, f"it is {status.phase.value}; its log: {state.log}", "Check again in a minute.")]
    try:
        daemon_status.check_compatible(status, state)
    except errors.ClusterError as error:
        return [Check("daemon", PROBLEM, str(error), "No job can be sent until this is solved.")]
    message = f"version {status.version}, pid {status.pid}, https://127.0.0.1:{status.port}, log {state.log}"
    if status.version != VERSION:
        todo = "It works with this package, and is replaced by this version when it is idle."
        return [Check("daemon", NOTE, f"{message}; this package is {VERSION}", todo)]
    return [Check("daemon", OK, message)]


def check_quarantine() -> list[Check]:
    """Report objects that the daemon quarantined because they are not valid."""
    folder = state_dir().quarantine
    objects = list(quarantine.list_quarantined(folder))
    named = "; ".join(
        f"{stored.resource} {stored.namespace}/{stored.name}: {stored.reason}" for stored in objects[:MOST_NAMED]
    )
    if not objects:
        return []
    more = f"; and {len(objects) - MOST_NAMED} more" if len(objects) > MOST_NAMED else ""
    todo = f"They are in {folder}: correct them and create them again, or remove that folder."
    return [Check("set aside", PROBLEM, f"{named}{more}", todo)]


def check_isolation() -> list[Check]:
    """Check whether pods get their own mount and network names."""
    isolated = isolation.detect_isolation()
    if isolated.namespaces:
        way = "a user namespace" if isolated.user else "namespaces"
        return [
            Check(
                "isolation", OK, f"pods get {way}: volumes are mounted at their mountPath, host names of peers resolve"
            )
        ]
    return [
        Check(
            "isolation",
            NOTE,
            f"{isolated.refusal}: paths of volumes in command, args and env are rewritten instead",
            "Programs that build such paths themselves fail. On Ubuntu 24.04 "
            "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` allows namespaces; in Docker, --security-opt "
            "seccomp=unconfined does."
            if sys.platform == "linux"
            else "",
        )
    ]


def check_limits() -> list[Check]:
    """Check what enforces memory and CPU limits."""
    probe = enforcement.probe()
    message = f"memory is limited by {probe.memory_by}, CPUs by {probe.cpu_by}"
    if probe.memory and probe.cpu:
        return [Check("limits", OK, message)]
    todo = "The watcher checks several times a second, so a program that allocates very fast can still exhaust memory."
    return [
        Check("limits", NOTE, f"{message}: {probe.refusal}" if probe.refusal else message, "" if probe.memory else todo)
    ]


def check_gpus() -> list[Check]:
    """List the GPUs that NVML reports."""
    assignable = gpus.assignable_gpus(gpus.NvmlLibrary())
    if not assignable:
        hidden = f" ({gpus.COUNT_ENV}={os.environ[gpus.COUNT_ENV]})" if os.environ.get(gpus.COUNT_ENV) else ""
        return [Check("GPUs", OK, f"none{hidden}; jobs run on CPUs")]
    names = ", ".join(f"{gpu.index}: {gpu.name}, {gpu.memory / 2**30:.0f} GiB" for gpu in assignable)
    return [Check("GPUs", OK, f"{len(assignable)} for --gpus ({names})")]


def check_host() -> list[Check]:
    """Report host settings that end the daemon early or delete its files."""
    state = state_dir()
    findings = host_environment.inspect_host(state.root)
    if state.moved_from is not None:
        findings.append(host_environment.state_moved(state.moved_from, state.root))
    return [Check(finding.name, NOTE, finding.message, finding.remedy) for finding in findings]


def check_settings() -> list[Check]:
    """Check the settings file of the embedded cluster."""
    try:
        chosen = cluster_settings.load_settings()
    except errors.UsageError as error:
        return [Check("settings", PROBLEM, str(error), "No daemon can start until this is solved.")]
    days = f"{chosen.keep_days:g} days" if chosen.keep_days else "for ever"
    space = f", at most {chosen.keep_gib:g} GiB" if chosen.keep_gib else ""
    idle = f"after {chosen.idle_minutes:g} idle minutes" if chosen.idle_minutes else "only on request"
    return [Check("settings", OK, f"finished jobs are kept {days}{space}; the daemon ends {idle}")]


def check_warm_start() -> list[Check]:
    """Check whether jobs of this interpreter start from a fork server."""
    if importlib.util.find_spec("torch") is None:
        message = f"{sys.executable} has no torch: jobs of torch-distributed fail, --runtime plain works"
        return [Check("warm start", NOTE, message, "Install torch into this environment.")]
    lines = [line for line in _log_lines() if f"{sys.executable} {COLD}" in line or f"{sys.executable} {WARM}" in line]
    if lines and COLD in (refusal := lines[-1]):
        message = f"jobs of {sys.executable} start cold, in seconds: {refusal.partition(COLD)[2].strip(': ')}"
        return [Check("warm start", NOTE, message, "The next job tries again.")]
    return [Check("warm start", OK, f"{sys.executable} has torch: jobs of torch-distributed start from a fork server")]


def _log_lines() -> list[str]:
    """Return the end of the daemon's log."""
    try:
        return state_dir().log.read_text(errors="replace").splitlines()[-200:]
    except OSError:
        return []


def _last_error(state: StateDir) -> str:
    """Return the last error in the daemon's log as a sentence, empty if there is none."""
    bad = [line for line in _log_lines() if " ERROR " in line or line.startswith("Traceback")]
    return f" The last error in {state.log}: {bad[-1]}" if bad else ""


CHECKS: tuple[tuple[str, Callable[[], Sequence[Check]]], ...] = (
    ("state folder", check_state_folder),
    ("daemon", check_daemon),
    ("set aside", check_quarantine),
    ("settings", check_settings),
    ("surroundings", check_host),
    ("isolation", check_isolation),
    ("limits", check_limits),
    ("GPUs", check_gpus),
    ("warm start", check_warm_start),
)
