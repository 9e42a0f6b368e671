"""Detect what in the host environment can end the daemon and its jobs early, or lose their files.

In: environment variables, cgroup, mounts and a few system files, collected as `Facts` (which tests can construct). Out:
`Finding`s for the user, shown once when a daemon starts, and by ``doctor`` at any time. Also the type of file system
that a path is on, for `state_dir`.
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
"""File systems where locks or SQLite's shared memory do not work reliably between processes."""

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
_REAL_CLUSTER_REMEDY = "For jobs that must outlive it, choose a real cluster."


@dataclass(frozen=True, slots=True)
class Finding:
    """A risk in the host environment, with its remedy."""

    name: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The input of `evaluate`, as read from this host."""

    environ: Mapping[str, str] = field(default_factory=dict)
    cgroup: str = ""
    """``/proc/self/cgroup``."""
    mountinfo: str = ""
    """``/proc/self/mountinfo``."""
    logind: str = ""
    """logind's configuration files, concatenated in the order in which they override each other."""
    lingers: bool = False
    """Whether the user's services keep running after the last logout."""
    container_marks: tuple[str, ...] = ()
    """The existing marker files of container runtimes."""


def inspect_host(state: Path | None = None) -> list[Finding]:
    """Return the findings for this host; `state` is the state folder."""
    return evaluate(read_facts(), state)


def evaluate(facts: Facts, state: Path | None = None) -> list[Finding]:
    """Return the findings that follow from facts."""
    rules: list[Callable[[Facts], Finding | None]] = [
        _hosted_notebook,
        _batch_job,
        _container,
        _session_killer,
        _service,
    ]
    findings = [finding for rule in rules if (finding := rule(facts)) is not None]
    if state is not None and (finding := _file_system(facts, state)) is not None:
        findings.append(finding)
    return findings


def state_moved(usual: Path, state: Path) -> Finding:
    """Return the finding for a state folder that is not in its usual place."""
    return Finding(
        "state-moved",
        f"{usual} is on a network file system, where locks and SQLite are unreliable, so the embedded cluster keeps "
        f"its state in {state}, on this computer only.",
        "Set TRAINJOB_STATE_DIR to choose another local folder.",
    )


def read_facts() -> Facts:
    """Return the facts of this process."""
    return Facts(
        environ=dict(os.environ),
        cgroup=_read_text("/proc/self/cgroup"),
        mountinfo=_read_text("/proc/self/mountinfo"),
        logind=_logind(),
        lingers=Path("/var/lib/systemd/linger", _user_name()).exists(),
        container_marks=tuple(mark for mark in ("/.dockerenv", "/run/.containerenv") if Path(mark).exists()),
    )


def file_system(path: Path, mountinfo: str) -> tuple[str, str]:
    """Return the type and the mount point of the file system that `path` is on, or will be; ("", "") if unknown."""
    path = Path(os.path.realpath(path))
    best = ("", "")
    for line in mountinfo.splitlines():
        mount_fields, _, file_system_fields = line.partition(" - ")
        before, after = mount_fields.split(" "), file_system_fields.split(" ")
        if len(before) < 5 or not after[0]:
            continue
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), before[4])
        # Of several mounts on the same point the last one is visible.
        if path.is_relative_to(point) and len(point) >= len(best[1]):
            best = (after[0], point)
    return best


def network_file_system(path: Path, mountinfo: str | None = None) -> str | None:
    """Return the type of the network file system that `path` is on; None if it is local or unknown."""
    kind, point = file_system(path, _read_text("/proc/self/mountinfo") if mountinfo is None else mountinfo)
    # A host whose root is on one has no local alternative, and does not share it.
    return kind if kind in NETWORK_FILE_SYSTEMS and point != "/" else None


def _hosted_notebook(facts: Facts) -> Finding | None:
    name = next((name for variable, name in _HOSTED.items() if variable in facts.environ), None)
    if name is None:
        return None
    return Finding(
        "hosted-notebook",
        f"This notebook runs on {name}, which deletes an idle machine with its jobs and results.",
        f"Fetch results while the notebook is open. {_REAL_CLUSTER_REMEDY}",
    )


def _batch_job(facts: Facts) -> Finding | None:
    for variable, name in _BATCH_SYSTEMS.items():
        if number := facts.environ.get(variable):
            process = f"This process runs in {name} job {number}"
            break
    else:
        if not (facts.environ.get("SGE_TASK_ID") and (number := facts.environ.get("JOB_ID"))):
            return None
        process = f"This process runs in Grid Engine job {number}"
    return Finding(
        "batch-job",
        f"{process}: when that ends, the batch system ends the embedded cluster and every job in it.",
        f"Keep jobs within its time limit and save checkpoints. {_REAL_CLUSTER_REMEDY}",
    )


def _container(facts: Facts) -> Finding | None:
    hub = "JUPYTERHUB_USER" in facts.environ or "JUPYTERHUB_API_TOKEN" in facts.environ
    kubernetes = "KUBERNETES_SERVICE_HOST" in facts.environ
    if not (
        kubernetes or facts.container_marks or _CONTAINER_CGROUP.search(facts.cgroup) or "container" in facts.environ
    ):
        return None
    if hub:
        return Finding(
            "jupyterhub-container",
            "This notebook server runs in a container of JupyterHub: when it is stopped, or culled as idle, the "
            "embedded cluster and every job in it end with it.",
            f"Ask for its idle timeout; a running job does not count as activity. {_REAL_CLUSTER_REMEDY}",
        )
    where = "a pod of Kubernetes" if kubernetes else "a container"
    return Finding(
        "container",
        f"This process runs in {where}: when that ends, the embedded cluster and every job in it end with it.",
        f"Keep it running until jobs have finished. {_REAL_CLUSTER_REMEDY}",
    )


def _session_killer(facts: Facts) -> Finding | None:
    kills = re.findall(r"^\s*KillUserProcesses\s*=\s*(\w+)", facts.logind, re.MULTILINE)
    in_session = re.search(r"/session-[^/\s]+\.scope", facts.cgroup)
    if not in_session or not kills or kills[-1].lower() not in ("yes", "true", "on", "1"):
        return None
    linger = "" if facts.lingers else "`loginctl enable-linger`, then "
    return Finding(
        "session-killer",
        "systemd ends every process of a login session at logout here (KillUserProcesses=yes), the embedded cluster "
        "and its jobs too.",
        f"Start it outside of the session: {linger}`systemd-run --user --scope jupyter trainjob cluster start`.",
    )


def _service(facts: Facts) -> Finding | None:
    # Services of the user manager are below user@1000.service, which itself does not count.
    service = re.search(r"/((?!user@)[^/\s]+\.service)(/[^\s]*)?$", facts.cgroup, re.MULTILINE)
    if not service:
        return None
    return Finding(
        "systemd-service",
        f"This process belongs to the systemd service {service[1]}: stopping or restarting that ends the embedded "
        "cluster and its jobs too, unless the service has KillMode=process.",
        "Start it outside of the service: `systemd-run --user --scope jupyter trainjob cluster start`.",
    )


def _file_system(facts: Facts, state: Path) -> Finding | None:
    kind, point = file_system(state, facts.mountinfo)
    if network_file_system(state, facts.mountinfo):
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
    return "\n".join(_read_text(str(file)) for file in files)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the uid has no user name, as in many containers
        return str(os.getuid())


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
