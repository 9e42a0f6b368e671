"""Where this process runs, as far as it decides how long a daemon, its jobs and its files live.

In: environment, cgroup, mounts and a few files of the machine (`Facts`, so that tests can state other ones). Out:
`Finding`s in words for the user: told once when a daemon starts, and by ``doctor`` at any time. And what kind of file
system a path is on, for `state`.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# fmt: off
NETWORK_FILE_SYSTEMS = frozenset(
    (
        "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "fuse.ceph", "fuse.gcsfuse",
        "fuse.glusterfs", "fuse.juicefs", "fuse.moosefs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "fuse.weka",
        "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs",
        "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "weka", "wekafs",
    )
)
# fmt: on
"""Where locks or SQLite's shared memory do not hold between processes, or only sometimes."""

_BATCH_SYSTEMS = {
    "SLURM_JOB_ID": "Slurm",
    "PBS_JOBID": "PBS",
    "LSB_JOBID": "LSF",
    "OAR_JOB_ID": "OAR",
    "COBALT_JOBID": "Cobalt",
    "FLUX_JOB_ID": "Flux",
    "_CONDOR_SLOT": "HTCondor",
}
_HOSTED = {
    "COLAB_RELEASE_TAG": "Google Colab",
    "KAGGLE_KERNEL_RUN_TYPE": "Kaggle",
    "BINDER_SERVICE_HOST": "Binder",
}
_CONTAINER_CGROUP = re.compile(r"docker|kubepods|containerd|libpod|lxc|crio|garden")
_ELSEWHERE = "For jobs that must outlive it, use a real cluster (`%trainjob use CONTEXT`)."


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the surroundings that a user should know."""

    name: str
    what: str
    what_to_do: str

    def __str__(self) -> str:
        return f"{self.what} {self.what_to_do}"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the findings follow from."""

    environ: Mapping[str, str] = field(default_factory=dict)
    cgroup: str = ""
    """``/proc/self/cgroup``."""
    mountinfo: str = ""
    """``/proc/self/mountinfo``."""
    logind: str = ""
    """logind's configuration files, one after another in the order in which they count."""
    lingers: bool = False
    """Whether the user's services go on after the last logout."""
    container_marks: tuple[str, ...] = ()
    """The files that container runtimes leave and that are there."""


def look(state: Path | None = None) -> list[Finding]:
    """Return what ends daemon and jobs early here, or takes their files; `state` is the state folder."""
    return judge(facts(), state)


def judge(known: Facts, state: Path | None = None) -> list[Finding]:
    """Return the findings that follow from facts."""
    rules: list[Callable[[Facts], Finding | None]] = [_hosted, _batch, _container, _session, _service]
    found = [finding for rule in rules if (finding := rule(known)) is not None]
    if state is not None and (finding := _file_system(known, state)) is not None:
        found.append(finding)
    return found


def moved(usual: Path, state: Path) -> Finding:
    """Return what to know where the state folder is not in its usual place."""
    return Finding(
        "state-moved",
        f"{usual} is on a network file system, where locks and SQLite do not hold, so the embedded cluster keeps its "
        f"state in {state}, on this computer only.",
        "Set TRAINJOB_STATE_DIR to choose another local folder.",
    )


def facts() -> Facts:
    """Return the facts of this process."""
    return Facts(
        environ=dict(os.environ),
        cgroup=_text("/proc/self/cgroup"),
        mountinfo=_text("/proc/self/mountinfo"),
        logind=_logind(),
        lingers=Path("/var/lib/systemd/linger", _user()).exists(),
        container_marks=tuple(mark for mark in ("/.dockerenv", "/run/.containerenv") if Path(mark).exists()),
    )


def file_system(path: Path, mountinfo: str) -> tuple[str, str]:
    """Return the type and the mount point of the file system that `path` is on, or will be; ("", "") if unknown."""
    path = Path(os.path.realpath(path))
    best = ("", "")
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if len(before) < 5 or not after[0]:
            continue
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), before[4])
        # Of equally long ones the later covers the earlier.
        if path.is_relative_to(point) and len(point) >= len(best[1]):
            best = (after[0], point)
    return best


def network_file_system(path: Path, mountinfo: str | None = None) -> str | None:
    """Return the type of the network file system that `path` is on; None if it is local, or nobody says."""
    kind, point = file_system(path, _text("/proc/self/mountinfo") if mountinfo is None else mountinfo)
    # A machine (or sandbox) whose root is one has nothing better, and shares it with nobody.
    return kind if kind in NETWORK_FILE_SYSTEMS and point != "/" else None


def _hosted(known: Facts) -> Finding | None:
    name = next((name for variable, name in _HOSTED.items() if variable in known.environ), None)
    if name is None:
        return None
    return Finding(
        "hosted-notebook",
        f"This notebook runs on {name}, which takes the machine away after a while without use, with jobs and results.",
        f"Fetch results while the notebook is open. {_ELSEWHERE}",
    )


def _batch(known: Facts) -> Finding | None:
    for variable, name in _BATCH_SYSTEMS.items():
        if number := known.environ.get(variable):
            what = f"This process runs in {name} job {number}"
            break
    else:
        if not (known.environ.get("SGE_TASK_ID") and (number := known.environ.get("JOB_ID"))):
            return None
        what = f"This process runs in Grid Engine job {number}"
    return Finding(
        "batch-job",
        f"{what}: when that ends, the batch system ends the embedded cluster and every job in it.",
        f"Keep jobs within its time limit and save checkpoints. {_ELSEWHERE}",
    )


def _container(known: Facts) -> Finding | None:
    hub = "JUPYTERHUB_USER" in known.environ or "JUPYTERHUB_API_TOKEN" in known.environ
    kubernetes = "KUBERNETES_SERVICE_HOST" in known.environ
    if not (
        kubernetes or known.container_marks or _CONTAINER_CGROUP.search(known.cgroup) or "container" in known.environ
    ):
        return None
    if hub:
        return Finding(
            "jupyterhub-container",
            "This notebook server runs in a container of JupyterHub: when it is stopped, or culled as idle, the "
            "embedded cluster and every job in it end with it.",
            f"Ask how long idle servers live; a running job does not count as activity. {_ELSEWHERE}",
        )
    where = "a pod of Kubernetes" if kubernetes else "a container"
    return Finding(
        "container",
        f"This process runs in {where}: when that ends, the embedded cluster and every job in it end with it.",
        f"Keep it running until jobs have finished. {_ELSEWHERE}",
    )


def _session(known: Facts) -> Finding | None:
    kills = re.findall(r"^\s*KillUserProcesses\s*=\s*(\w+)", known.logind, re.MULTILINE)
    in_session = re.search(r"/session-[^/\s]+\.scope", known.cgroup)
    if not in_session or not kills or kills[-1].lower() not in ("yes", "true", "on", "1"):
        return None
    linger = "" if known.lingers else "`loginctl enable-linger`, then "
    return Finding(
        "session-killer",
        "systemd ends every process of a login session at logout here (KillUserProcesses=yes), the embedded cluster "
        "and its jobs too.",
        f"Start it outside of the session: {linger}`systemd-run --user --scope jupyter trainjob cluster start`.",
    )


def _service(known: Facts) -> Finding | None:
    # A service of the user's manager lies below user@1000.service, which itself is not meant.
    found = re.search(r"/((?!user@)[^/\s]+\.service)(/[^\s]*)?$", known.cgroup, re.MULTILINE)
    if not found:
        return None
    return Finding(
        "systemd-service",
        f"This process belongs to the systemd service {found[1]}: stopping or restarting that ends the embedded "
        "cluster and its jobs too, unless the service has KillMode=process.",
        "Start it outside of the service: `systemd-run --user --scope jupyter trainjob cluster start`.",
    )


def _file_system(known: Facts, state: Path) -> Finding | None:
    kind, point = file_system(state, known.mountinfo)
    if network_file_system(state, known.mountinfo):
        return Finding(
            "network-file-system",
            f"The state folder {state} is on a network file system ({kind} at {point}), where locks and SQLite do not "
            "hold.",
            "Set TRAINJOB_STATE_DIR to a folder on a local disk.",
        )
    if kind in ("overlay", "aufs"):
        return Finding(
            "state-in-container",
            f"The state folder {state} is part of the container ({kind}): jobs, logs and results go with "
            "the container.",
            "Mount a volume and set TRAINJOB_STATE_DIR to a folder on it, to keep them.",
        )
    if kind in ("tmpfs", "ramfs"):
        return Finding(
            "state-in-memory",
            f"The state folder {state} is in memory ({kind} at {point}): jobs, logs and results go at the "
            "next restart.",
            "Set TRAINJOB_STATE_DIR to a folder on a local disk, to keep them.",
        )
    return None


def _logind() -> str:
    files = [Path("/etc/systemd/logind.conf")]
    for folder in ("/usr/lib/systemd/logind.conf.d", "/etc/systemd/logind.conf.d", "/run/systemd/logind.conf.d"):
        files += sorted(Path(folder).glob("*.conf"))
    return "\n".join(_text(str(file)) for file in files)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container's user without a name.
        return str(os.getuid())


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
