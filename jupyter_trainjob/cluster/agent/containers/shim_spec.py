"""Build the shim's document (``spec.json``) from container, pod and node.

In: the container, the interpreter, and the prepared volumes, variables and port. Out: a `Program`, whose `document` is
the shim's ``spec.json``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent import network, variable_expansion
from jupyter_trainjob.cluster.agent.containers import environment
from jupyter_trainjob.cluster.agent.start_errors import StartRefused
from jupyter_trainjob.cluster.agent.volumes.pod_volumes import Mount
from jupyter_trainjob.constants import PYTHON_ANNOTATION, WORKDIR_ANNOTATION
from jupyter_trainjob.worker.protocol import PREFIX, TERMINATION_LOG, TERMINATION_LOG_ENV

DEFAULT_GRACE = 30
LOG_SIZE, LOG_FILES, KEPT_SIZE = 10 << 20, 5, 64 << 20
FRAME = PREFIX.decode()


@dataclass(frozen=True)
class Program:
    """The process of a container, with paths as in the pod."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    python: str
    hostname: str
    grace: float
    mounts: list[Mount] = field(default_factory=list)

    def document(self, namespaces: KubeObject | None, limits: KubeObject | None) -> KubeObject:
        """Return the contents of ``spec.json``."""
        return {
            "argv": self.argv,
            "env": self.env,
            "cwd": self.cwd,
            "grace": self.grace,
            "namespaces": namespaces,
            "limits": limits,
            "log": {"size": LOG_SIZE, "files": LOG_FILES, "frame": FRAME, "kept_size": KEPT_SIZE},
        }


def interpreter(pod: KubeObject, default: str) -> str:
    """Return the path of the pod's Python interpreter."""
    return str((pod["metadata"].get("annotations") or {}).get(PYTHON_ANNOTATION) or default)


def build_program(
    pod: KubeObject,
    container: KubeObject,
    *,
    default_python: str,
    own_env: Mapping[str, str],
    mounts: list[Mount],
    port: int,
    peers: int,
    cpus: int,
) -> Program:
    """Return the program of a container with the variables `own_env`. Raises `StartRefused` without a command."""
    python = interpreter(pod, default_python)
    own = network.replace_port(own_env, port)
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    if not words:
        raise StartRefused(
            "UnsupportedPod",
            f'container "{container["name"]}" has no command. There are no images here that could bring one: '
            f'"{container.get("image", "")}" is recorded, not used. Name the command in the pod template.',
        )
    argv = [network.replace_endpoint_ports(variable_expansion.expand_variables(word, own), port) for word in words]
    own_name = network.kernel_hostname(pod)
    env = environment.base_env(python) | {"HOSTNAME": own_name} | _threads_of(container, own, peers, cpus) | own
    annotations = pod["metadata"].get("annotations") or {}
    return Program(
        argv=resolve_python(argv, python),
        env=env,
        cwd=container.get("workingDir") or annotations.get(WORKDIR_ANNOTATION) or str(Path.home()),
        python=python,
        hostname=own_name,
        grace=float(pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE)),
        mounts=mounts,
    )


def resolve_python(argv: list[str], python: str) -> list[str]:
    """Return `argv` with python and torchrun replaced by the pod's interpreter, if its folder lacks these commands."""
    instead = {"python": [python], "python3": [python], "torchrun": [python, "-m", "torch.distributed.run"]}
    command = argv[0]
    if command not in instead or os.access(Path(python).parent / command, os.X_OK):
        return argv
    return [*instead[command], *argv[1:]]


def _threads_of(container: KubeObject, env: Mapping[str, str], peers: int, cpus: int) -> dict[str, str]:
    limits = (container.get("resources") or {}).get("limits") or {}
    return omp_threads(env, peers=peers, cpus=cpus, limit=float(quantity.parse_quantity(limits.get("cpu", 0))))


def omp_threads(env: Mapping[str, str], *, peers: int, cpus: int, limit: float = 0.0) -> dict[str, str]:
    """Return OMP_NUM_THREADS for one of several single-process pods, or a pod with a CPU limit; else nothing.

    On a cluster each node has its own cores; here eight pods would each start a thread per core and slow each other
    down. With several processes in a pod torchrun sets the variable to 1, and a single pod keeps the default.
    """
    if "OMP_NUM_THREADS" in env or env.get("PET_NPROC_PER_NODE", "1") != "1":
        return {}
    if limit:  # more threads than CPUs would waste the quota on waiting
        return {"OMP_NUM_THREADS": str(min(cpus, max(1, int(limit))))}
    if peers < 2:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cpus // peers))}


def rewrite_program(program: Program, change: Callable[[str], str], termination_log: str) -> Program:
    """Return the program for a host without namespaces: arguments and variables are rewritten by `change`."""
    env = {name: change(value) for name, value in program.env.items()}
    # Without its own host name the process group would bind an address of the local network.
    loopback = "lo" if Path("/sys/class/net/lo").exists() else "lo0"
    env = {"GLOO_SOCKET_IFNAME": loopback, TERMINATION_LOG_ENV: termination_log} | env
    return replace(program, argv=[change(word) for word in program.argv], env=env, cwd=change(program.cwd), mounts=[])


def termination_path(container: KubeObject) -> str:
    """Return the path of the container's termination message."""
    return str(container.get("terminationMessagePath") or TERMINATION_LOG)
