"""Torch: what torchrun reads from its environment (``PET_*``), and the port of the rendezvous.

Runs in the ML policy phase for runtimes with ``mlPolicy.torch``. The rank of a node is its completion index, the master
is pod 0 of the replicated job ``node``, whose name JobSet's headless Service makes resolvable.
"""

from __future__ import annotations

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.constants import ANCESTOR_TRAINER, JOB_COMPLETION_INDEX, NODE_JOB, TRAINER_PORT
from jupyter_trainjob.controller.framework import resources
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.unsupported import BuildError, Unsupported
from jupyter_trainjob.controller.framework.upserts import upsert_env, upsert_port, user_env

TORCHTUNE = ["tune", "run"]


class Torch:
    """Sets node count, torchrun's environment and the rendezvous port."""

    name = "Torch"
    policies = frozenset({"torch"})

    def enforce_ml_policy(self, info: Info) -> None:
        """Apply the torch policy to the trainer, and to the containers that ``envInjection`` names."""
        settings = info.policy("torch")
        if settings is None:
            return
        if info.trainer.get("command") == TORCHTUNE:
            raise Unsupported(
                "the command 'tune run' needs arguments that Kubeflow Trainer derives from the runtime, which this "
                "controller does not do. Write the whole torchtune command line, or use a cluster where Kubeflow "
                "Trainer is installed."
            )
        pods = info.pod_set_of(ANCESTOR_TRAINER)
        if pods is not None and info.trainer.get("numNodes") is not None:
            pods.count = info.trainer["numNodes"]
        variables = _rendezvous(info, nodes=1 if pods is None else pods.count)
        container = info.trainer_container()
        if container is not None:
            upsert_env(container, user_env(info.trainer.get("env") or ()))
            upsert_env(container, variables)
            upsert_port(container, {"containerPort": TRAINER_PORT})
        for target in (settings.get("envInjection") or {}).get("targets") or ():
            for name in target["containerNames"]:
                upsert_env(_injected(info, target["jobName"], name), variables)


def processes_per_node(info: Info) -> str:
    """Return torchrun's ``--nproc-per-node``: as wished, else per device (``auto``), else one per processor."""
    wished = info.trainer.get("numProcPerNode")
    if wished is not None:
        return str(wished)
    per_node = info.resources_per_node()
    if resources.gpus(per_node):
        return "auto"
    return str(max(1, resources.cpus(per_node)))


def _rendezvous(info: Info, *, nodes: int) -> list[Object]:
    rank = {"fieldRef": {"fieldPath": f"metadata.annotations['{JOB_COMPLETION_INDEX}']"}}
    return [
        {"name": "PET_NNODES", "value": str(nodes)},
        {"name": "PET_NPROC_PER_NODE", "value": processes_per_node(info)},
        {"name": "PET_NODE_RANK", "valueFrom": rank},
        {"name": "PET_MASTER_ADDR", "value": f"{info.name}-{NODE_JOB}-0-0.{info.name}"},
        {"name": "PET_MASTER_PORT", "value": str(TRAINER_PORT)},
    ]


def _injected(info: Info, job: str, name: str) -> Object:
    pods = info.pod_set(job)
    container = None if pods is None else pods.container(name)
    if container is None:
        raise BuildError(
            f"the runtime's mlPolicy.torch.envInjection names container {name!r} of replicated job {job!r}, which its "
            "template does not have. Correct the runtime."
        )
    return container
