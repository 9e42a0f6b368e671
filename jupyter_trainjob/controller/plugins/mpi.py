"""MPI: ``mpirun`` on a launcher starts the processes on the nodes over SSH.

Takes part in two phases for runtimes with ``mlPolicy.mpi``: the ML policy phase gives the pods of the replicated jobs
``node`` and ``launcher`` their volumes, and the launcher OpenMPI's settings; the build phase returns the SSH keys (a
Secret) and the hostfile (a ConfigMap).

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/framework/plugins/mpi/mpi.go
"""

from __future__ import annotations

import base64
from typing import Final

from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, KubeObject
from jupyter_trainjob.constants import LAUNCHER_JOB, NODE_CONTAINER, NODE_JOB
from jupyter_trainjob.controller.framework.info import Info, PodSet
from jupyter_trainjob.controller.framework.list_upserts import upsert_env, upsert_mount, upsert_volume
from jupyter_trainjob.controller.framework.pipeline_errors import Unsupported

OPEN_MPI: Final = "OpenMPI"
SECRET_SUFFIX: Final = "-mpi-ssh-auth"  # noqa: S105 - a name
CONFIG_MAP_SUFFIX: Final = "-mpi-hostfile"
HOSTFILE: Final = "hostfile"
HOSTFILE_FOLDER: Final = "/etc/mpi"
SSH_VOLUME: Final = "mpi-ssh-auth"
HOSTFILE_VOLUME: Final = "mpi-hostfile"
PRIVATE_KEY: Final = "ssh-privatekey"
PUBLIC_KEY: Final = "ssh-publickey"
_DEFAULT_SSH_FOLDER: Final = "/root/.ssh"


class Mpi:
    """Counts the nodes, prepares their pods for SSH, and builds the keys and the hostfile."""

    name = "MPI"
    policies = frozenset({"mpi"})

    def enforce_ml_policy(self, info: Info) -> None:
        """Apply the mpi policy to the pods of the nodes and of the launcher.

        Raises `Unsupported` for an implementation of MPI other than OpenMPI.
        """
        settings = info.policy("mpi")
        if settings is None:
            return
        implementation = settings.get("mpiImplementation", OPEN_MPI)
        if implementation != OPEN_MPI:
            raise Unsupported(f"the runtime's mlPolicy.mpi.mpiImplementation is {implementation!r}; use {OPEN_MPI!r}.")
        _apply_node_count(info)
        for pods in info.pod_sets:
            if pods.name in (NODE_JOB, LAUNCHER_JOB):
                _add_ssh_keys(info, pods, settings.get("sshAuthMountPath", _DEFAULT_SSH_FOLDER))
            if pods.name == LAUNCHER_JOB:
                _add_hostfile(info, pods)

    def sync_parallel_count(self, info: Info) -> None:
        """Do nothing: the JobSet plugin applies the counts."""

    def build(self, info: Info) -> list[KubeObject]:
        """Return Secret and ConfigMap, if the runtime has an mpi policy. The keys are new ones in each call."""
        if info.policy("mpi") is None:
            return []
        return [_ssh_secret(info), _hostfile_config_map(info)]


def _apply_node_count(info: Info) -> None:
    """Give job ``node`` the TrainJob's number of nodes, less the launcher if that is a node; but at least one."""
    nodes, pods = info.trainer.get("numNodes"), info.pod_set(NODE_JOB)
    if nodes is not None and pods is not None:
        pods.count = max(nodes - 1, 1) if info.runs_launcher_as_node() else nodes


def _slots_per_node(info: Info) -> int:
    """Return the number of processes of a node: as requested, else the runtime's, or one for each GPU if that is 1."""
    requested = info.trainer.get("numProcPerNode")
    if requested is not None:
        return int(requested)
    slots = int((info.policy("mpi") or {}).get("numProcPerNode", 1))
    return max(slots, info.gpus_per_node()) if slots == 1 else slots


def _add_ssh_keys(info: Info, pods: PodSet, folder: str) -> None:
    items = [
        {"key": PRIVATE_KEY, "path": "id_rsa", "mode": 0o640},
        {"key": PUBLIC_KEY, "path": "id_rsa.pub", "mode": 0o644},
        {"key": PUBLIC_KEY, "path": "authorized_keys", "mode": 0o644},
    ]
    secret = {"secretName": f"{info.name}{SECRET_SUFFIX}", "defaultMode": 0o400, "items": items}
    upsert_volume(pods.pod_spec, {"name": SSH_VOLUME, "secret": secret})
    for container in _node_containers(pods):
        upsert_mount(container, {"name": SSH_VOLUME, "mountPath": folder})


def _add_hostfile(info: Info, pods: PodSet) -> None:
    items = [{"key": HOSTFILE, "path": HOSTFILE, "mode": 0o444}]
    config_map = {"name": f"{info.name}{CONFIG_MAP_SUFFIX}", "items": items}
    upsert_volume(pods.pod_spec, {"name": HOSTFILE_VOLUME, "configMap": config_map})
    variables = [
        {"name": "OMPI_MCA_orte_default_hostfile", "value": f"{HOSTFILE_FOLDER}/{HOSTFILE}"},
        {"name": "OMPI_MCA_orte_keep_fqdn_hostnames", "value": "true"},
        {"name": "OMPI_MCA_orte_set_default_slots", "value": str(_slots_per_node(info))},
        {"name": "OMPI_MCA_plm_rsh_args", "value": "-o ConnectionAttempts=10"},
    ]
    for container in _node_containers(pods):
        upsert_mount(container, {"name": HOSTFILE_VOLUME, "mountPath": HOSTFILE_FOLDER})
        upsert_env(container, variables)


def _node_containers(pods: PodSet) -> list[KubeObject]:
    return [container for container in pods.pod_spec.get("containers") or () if container["name"] == NODE_CONTAINER]


def _ssh_secret(info: Info) -> KubeObject:
    private_key, public_key = _new_ssh_keys()
    data = {PRIVATE_KEY: private_key, PUBLIC_KEY: public_key}
    return {
        **info.new_object(SECRETS, f"{info.name}{SECRET_SUFFIX}"),
        "type": "kubernetes.io/ssh-auth",
        "immutable": True,
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


def _hostfile_config_map(info: Info) -> KubeObject:
    slots = _slots_per_node(info)
    jobs = {NODE_JOB, LAUNCHER_JOB} if info.runs_launcher_as_node() else {NODE_JOB}
    hosts = [host for pods in info.pod_sets if pods.name in jobs for host in pods.endpoints()]
    hostfile = "".join(f"{host} slots={slots}\n" for host in hosts)
    return {**info.new_object(CONFIGMAPS, f"{info.name}{CONFIG_MAP_SUFFIX}"), "data": {HOSTFILE: hostfile}}


def _new_ssh_keys() -> tuple[bytes, bytes]:
    """Return a new private key (PEM) and its line for ``authorized_keys``, of ECDSA on curve P-521."""
    # Importing cryptography takes a tenth of a second, and only MPI jobs need it.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP521R1())
    private_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public_key = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private_key, public_key + b"\n"
