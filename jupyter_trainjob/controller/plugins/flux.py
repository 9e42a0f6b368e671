"""Flux: a workload manager of high-performance computing that starts inside the pods and runs the command.

Takes part in two phases for runtimes with ``mlPolicy.flux``: the ML policy phase adds an init container with Flux and
wraps the command; the build phase returns the scripts (a ConfigMap) and the certificate by which the nodes trust one
another (a Secret). PlainML applies the number of nodes and the environment.

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/framework/plugins/flux/flux.go
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, KubeObject
from jupyter_trainjob.constants import FLUX_INSTALLER, NODE_CONTAINER, NODE_JOB
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.list_upserts import upsert_mount, upsert_volume
from jupyter_trainjob.controller.plugins.flux_scripts import entrypoint_script, init_script

_SETTINGS: Final = {
    "FLUX_VIEW_IMAGE": "ghcr.io/converged-computing/flux-view-ubuntu:tag-jammy",
    "FLUX_NETWORK_DEVICE": "eth0",
    "FLUX_QUEUE_POLICY": "fcfs",
}
"""Environment variables of the trainer that configure Flux, and their defaults."""
_SCRIPTS_FOLDER: Final = "/etc/flux-config"
_VIEW: Final = {"name": "flux-install", "mountPath": "/mnt/flux"}


class Flux:
    """Adds Flux to the nodes, and builds its scripts and its certificate."""

    name = "Flux"
    policies = frozenset({"flux"})

    def enforce_ml_policy(self, info: Info) -> None:
        """Apply the flux policy to the trainer's command and to the pods of job ``node``."""
        if info.policy("flux") is None:
            return
        scripts = _scripts_name(info)
        settings = _settings(info)
        info.trainer["command"] = ["/bin/bash", f"{_SCRIPTS_FOLDER}/entrypoint.sh", _command_line(info)]
        info.trainer.pop("args", None)
        pods = info.pod_set(NODE_JOB)
        if pods is None:
            return
        for volume in (
            {"name": "spack-install", "emptyDir": {}},
            {"name": "flux-install", "emptyDir": {}},
            {"name": scripts, "configMap": {"name": scripts, "defaultMode": 0o755}},
            {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
            {"name": "flux-curve", "secret": {"secretName": _certificate_name(info), "defaultMode": 0o400}},
        ):
            upsert_volume(pods.pod_spec, volume)
        scripts_mount = {"name": scripts, "mountPath": _SCRIPTS_FOLDER, "readOnly": True}
        installer = {
            "name": FLUX_INSTALLER,
            "image": settings["FLUX_VIEW_IMAGE"],
            "command": ["/bin/bash", f"{_SCRIPTS_FOLDER}/init.sh"],
            "volumeMounts": [_VIEW, scripts_mount],
        }
        pods.pod_spec["initContainers"] = [*(pods.pod_spec.get("initContainers") or ()), installer]
        for container in pods.pod_spec.get("containers") or ():
            if container["name"] == NODE_CONTAINER:
                upsert_mount(container, dict(_VIEW))
                upsert_mount(container, {"name": "spack-install", "mountPath": "/opt/software"})
                upsert_mount(container, scripts_mount)
                upsert_mount(container, {"name": "flux-curve", "mountPath": "/curve", "readOnly": True})
                upsert_mount(container, {"name": "shared-memory", "mountPath": "/dev/shm", "readOnly": True})  # noqa: S108

    def sync_parallel_count(self, info: Info) -> None:
        """Do nothing: the JobSet plugin applies the counts."""

    def build(self, info: Info) -> list[KubeObject]:
        """Return ConfigMap and Secret, if the runtime has a flux policy."""
        if info.policy("flux") is None:
            return []
        return [_scripts_config_map(info), _certificate_secret(info)]


def _settings(info: Info) -> dict[str, str]:
    """Return Flux's settings: of the TrainJob's environment, else of the runtime's, else the defaults."""
    settings = dict(_SETTINGS)
    container = info.trainer_container() or {}
    for variable in (*(container.get("env") or ()), *(info.trainer.get("env") or ())):
        if variable["name"] in settings and variable.get("value") is not None:
            settings[variable["name"]] = variable["value"]
    return settings


def _command_line(info: Info) -> str:
    """Return the words that Flux runs: the TrainJob's command, else the runtime's, and the TrainJob's arguments."""
    container = info.trainer_container() or {}
    command = info.trainer.get("command")
    words = (container.get("command") or []) if command is None else command
    return " ".join([*words, *(info.trainer.get("args") or ())]).strip()


def _scripts_config_map(info: Info) -> KubeObject:
    pods = info.pod_set(NODE_JOB)
    nodes = 1 if pods is None else pods.count
    settings = _settings(info)
    prefix = f"{info.name}-{NODE_JOB}-0"
    tasks, gpus = _tasks_per_node(info), info.gpus_per_node()
    resources, flags = f"--cores={_range(tasks)}", f"-N {nodes} -n {tasks * nodes}"
    if gpus:
        resources, flags = f"{resources} --gpu={_range(gpus)}", f"{flags} -g {gpus}"
    scripts = {
        "entrypoint.sh": entrypoint_script(leader=f"{prefix}-0", resources=resources, flags=flags),
        "init.sh": init_script(
            hosts=f"{prefix}-[{_range(nodes)}]",
            domain=f"{info.name}.{info.train_job['metadata']['namespace']}.svc.cluster.local",
            device=settings["FLUX_NETWORK_DEVICE"],
            queue_policy=settings["FLUX_QUEUE_POLICY"],
        ),
    }
    return {**info.new_object(CONFIGMAPS, _scripts_name(info)), "data": scripts}


def _certificate_secret(info: Info) -> KubeObject:
    """Return the Secret with the CURVE certificate of ZeroMQ, whose keys are derived from the TrainJob's uid."""
    # Importing cryptography takes a tenth of a second, and few jobs need it.
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    seed = hashlib.sha256(info.train_job["metadata"]["uid"].encode()).digest()
    public_key = X25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    certificate = (
        "#  ZeroMQ CURVE Secret Certificate\n#  Generated by Kubeflow Trainer\n\n"
        f'metadata\n    name = "{info.name}"\n'
        f'curve\n    public-key = "{_z85(public_key)}"\n    secret-key = "{_z85(seed)}"\n'
    )
    data = {"curve.cert": base64.b64encode(certificate.encode()).decode()}
    return {**info.new_object(SECRETS, _certificate_name(info)), "data": data}


def _tasks_per_node(info: Info) -> int:
    requested = info.trainer.get("numProcPerNode")
    return int((info.policy("flux") or {}).get("numProcPerNode", 1) if requested is None else requested)


def _scripts_name(info: Info) -> str:
    return f"{info.name}-flux-entrypoint"


def _certificate_name(info: Info) -> str:
    return f"{info.name}-flux-curve"


def _range(count: int) -> str:
    """Return the numbers from 0 in Flux's notation.

    >>> _range(1), _range(4)
    ('0', '0-3')
    """
    return "0" if count == 1 else f"0-{count - 1}"


_Z85_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def _z85(data: bytes) -> str:
    """Encode bytes, four at a time, as ZeroMQ writes keys (https://rfc.zeromq.org/spec/32/).

    >>> _z85(bytes.fromhex("864fd26fb559f75b"))
    'HelloWorld'
    """
    digits = []
    for start in range(0, len(data), 4):
        number = int.from_bytes(data[start : start + 4], "big")
        digits += [_Z85_DIGITS[number // 85**power % 85] for power in (4, 3, 2, 1, 0)]
    return "".join(digits)
