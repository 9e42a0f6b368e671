"""A plugin of another distribution: the variables of ``torch.distributed``'s ``env://``, without torchrun.

It serves runtimes with the label ``trainer.kubeflow.org/framework: env``. The program calls
``torch.distributed.init_process_group("gloo")``, one process a node.
"""

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.rendezvous import RANK, apply_node_count, coordinator_host, inject_rendezvous


class EnvironmentRendezvous:
    """Sets world size, rank, and the address of the first node."""

    name = "EnvironmentRendezvous"
    policies: frozenset[str] = frozenset()  # runtimes name no mlPolicy for it: the label is enough

    def enforce_ml_policy(self, info: Info) -> None:
        """Set the variables of the trainer's container, and open the port of the rendezvous."""
        if info.framework != "env":
            return
        variables: list[KubeObject] = [
            {"name": "WORLD_SIZE", "value": str(apply_node_count(info))},
            {"name": "RANK", "valueFrom": RANK},
            {"name": "MASTER_ADDR", "value": coordinator_host(info)},
            {"name": "MASTER_PORT", "value": "29500"},
        ]
        inject_rendezvous(info, variables)
