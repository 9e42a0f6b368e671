"""Torch: what torchrun reads from its environment (``PET_*``), and the port of the rendezvous.

Runs in the ML policy phase for runtimes with ``mlPolicy.torch``. For torchtune, the rendezvous and the recipe go into
the command (`torchtune_command`).

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/framework/plugins/torch/torch.go
"""

from __future__ import annotations

from jupyter_trainjob.api.kinds.torchtune import ENTRYPOINT
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.constants import TRAINER_PORT
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.list_upserts import upsert_env, user_env
from jupyter_trainjob.controller.framework.pipeline_errors import BuildError
from jupyter_trainjob.controller.framework.rendezvous import (
    RANK,
    apply_node_count,
    coordinator_host,
    inject_rendezvous,
)
from jupyter_trainjob.controller.plugins.torchtune_command import complete_command


class Torch:
    """Sets node count, torchrun's environment, the rendezvous port, and torchtune's command."""

    name = "Torch"
    policies = frozenset({"torch"})

    def enforce_ml_policy(self, info: Info) -> None:
        """Apply the torch policy to the trainer, and to the containers that ``envInjection`` names."""
        settings = info.policy("torch")
        if settings is None:
            return
        nodes, processes = apply_node_count(info), _processes_per_node(info)
        launch: list[KubeObject] = [
            {"name": "PET_NNODES", "value": str(nodes)},
            {"name": "PET_NPROC_PER_NODE", "value": processes},
            {"name": "PET_NODE_RANK", "valueFrom": RANK},
        ]
        rendezvous: list[KubeObject] = [
            {"name": "PET_MASTER_ADDR", "value": coordinator_host(info)},
            {"name": "PET_MASTER_PORT", "value": str(TRAINER_PORT)},
        ]
        variables = [*user_env(info.trainer.get("env") or ()), *launch]
        if info.trainer.get("command") == ENTRYPOINT:
            info.trainer["command"] = complete_command(info, nodes=nodes, processes=processes)
        else:
            variables += rendezvous
        inject_rendezvous(info, variables)
        for target in (settings.get("envInjection") or {}).get("targets") or ():
            for name in target["containerNames"]:
                upsert_env(_injected(info, target["jobName"], name), [*launch, *rendezvous])


def _processes_per_node(info: Info) -> str:
    """Return torchrun's ``--nproc-per-node``: as requested, else ``auto`` with GPUs, else the number of CPUs."""
    requested = info.trainer.get("numProcPerNode")
    if requested is not None:
        return str(requested)
    return "auto" if info.gpus_per_node() else str(max(1, info.cpus_per_node()))


def _injected(info: Info, job: str, name: str) -> KubeObject:
    pods = info.pod_set(job)
    container = None if pods is None else pods.container(name)
    if container is None:
        raise BuildError(
            f"the runtime's mlPolicy.torch.envInjection names container {name!r} of replicated job {job!r}, which its "
            "template does not have. Correct the runtime."
        )
    return container
