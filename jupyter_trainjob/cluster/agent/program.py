"""What a container's shim is told to run: the container, its pod and its node made into one plain document.

In: the container, the interpreter, and what the other pieces prepared (volumes, names, port). Out: `Program`, of which
`document` is the shim's ``spec.json``. Pure but for the look-ups that the caller hands in, so it is tested as a table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import environment, network
from jupyter_trainjob.cluster.agent.volumes import Mount
from jupyter_trainjob.cluster.agent.waiting import Refused
from jupyter_trainjob.constants import PYTHON_ANNOTATION, WORKDIR_ANNOTATION
from jupyter_trainjob.worker.protocol import PREFIX, TERMINATION_LOG, TERMINATION_LOG_ENV

DEFAULT_GRACE = 30
LOG_SIZE, LOG_FILES, KEPT_SIZE = 10 << 20, 5, 64 << 20
FRAME = PREFIX.decode()


@dataclass(frozen=True)
class Program:
    """One process to start, as it is meant inside the pod."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    python: str
    hostname: str
    grace: float
    mounts: list[Mount] = field(default_factory=list)

    def document(self, namespaces: Object | None, limits: Object | None) -> Object:
        """Return what the shim reads."""
        return {
            "argv": self.argv,
            "env": self.env,
            "cwd": self.cwd,
            "grace": self.grace,
            "namespaces": namespaces,
            "limits": limits,
            "log": {"size": LOG_SIZE, "files": LOG_FILES, "frame": FRAME, "kept_size": KEPT_SIZE},
        }


def interpreter(pod: Object, default: str) -> str:
    """Return the Python that the pod's commands find first."""
    return str((pod["metadata"].get("annotations") or {}).get(PYTHON_ANNOTATION) or default)


def build(
    pod: Object,
    container: Object,
    *,
    default_python: str,
    own_env: Mapping[str, str],
    mounts: list[Mount],
    port: int,
    peers: int,
    cpus: int,
) -> Program:
    """Return the program of a container of `pod` that has the variables `own_env`."""
    python = interpreter(pod, default_python)
    own = network.with_port(own_env, port)
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    if not words:
        raise Refused(
            "UnsupportedPod",
            f'container "{container["name"]}" has no command. There are no images here that could bring one: '
            f'"{container.get("image", "")}" is recorded, not used. Name the command in the pod template.',
        )
    argv = [network.with_endpoint(environment.expand(word, own), port) for word in words]
    own_name = network.kernel_name(pod)
    env = environment.base(python) | {"HOSTNAME": own_name} | _threads_of(container, own, peers, cpus) | own
    annotations = pod["metadata"].get("annotations") or {}
    return Program(
        argv=with_python(argv, python),
        env=env,
        cwd=container.get("workingDir") or annotations.get(WORKDIR_ANNOTATION) or str(Path.home()),
        python=python,
        hostname=own_name,
        grace=float(pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE)),
        mounts=mounts,
    )


def with_python(argv: list[str], python: str) -> list[str]:
    """Return `argv` with python and torchrun meant as the pod's interpreter, also where its bin/ lacks them."""
    instead = {"python": [python], "python3": [python], "torchrun": [python, "-m", "torch.distributed.run"]}
    command = argv[0]
    if command not in instead or os.access(Path(python).parent / command, os.X_OK):
        return argv
    return [*instead[command], *argv[1:]]


def _threads_of(container: Object, env: Mapping[str, str], peers: int, cpus: int) -> dict[str, str]:
    limits = (container.get("resources") or {}).get("limits") or {}
    return threads(env, peers=peers, cpus=cpus, limit=float(quantity.parse(limits.get("cpu", 0))))


def threads(env: Mapping[str, str], *, peers: int, cpus: int, limit: float = 0.0) -> dict[str, str]:
    """Return OMP_NUM_THREADS for one of several single-process pods that share this computer, or have a limit.

    On a cluster each node has its own cores; here eight pods would each start a thread per core and slow one another
    down many times over. torchrun sets the variable itself (to 1) where a pod has several processes, and a pod that is
    alone keeps the framework's default.
    """
    if "OMP_NUM_THREADS" in env or env.get("PET_NPROC_PER_NODE", "1") != "1":
        return {}
    if limit:  # More threads than processors would spend the quota on waiting for one another.
        return {"OMP_NUM_THREADS": str(min(cpus, max(1, int(limit))))}
    if peers < 2:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cpus // peers))}


def substituted(program: Program, change: Callable[[str], str], termination_log: str) -> Program:
    """Return the program for a host without namespaces: every word and value changed by `change`."""
    env = {name: change(value) for name, value in program.env.items()}
    # Without a host name of its own the process group would bind an address of the local network.
    loopback = "lo" if Path("/sys/class/net/lo").exists() else "lo0"
    env = {"GLOO_SOCKET_IFNAME": loopback, TERMINATION_LOG_ENV: termination_log} | env
    return replace(program, argv=[change(word) for word in program.argv], env=env, cwd=change(program.cwd), mounts=[])


def termination_path(container: Object) -> str:
    """Return where the container may leave its last words."""
    return str(container.get("terminationMessagePath") or TERMINATION_LOG)
