"""JAX: what ``jax.distributed.initialize()`` reads from the environment, one process per node.

Runs in the ML policy phase for runtimes with ``mlPolicy.jax``. The JobSet plugin adds the user's environment after
it, so a user may override these variables.

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/framework/plugins/jax/jax.go
"""

from __future__ import annotations

from jupyter_trainjob.constants import TRAINER_PORT
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.rendezvous import (
    RANK,
    apply_node_count,
    coordinator_host,
    inject_rendezvous,
)


class Jax:
    """Sets node count, the coordinator's address, its port, and the rank."""

    name = "Jax"
    policies = frozenset({"jax"})

    def enforce_ml_policy(self, info: Info) -> None:
        """Apply the jax policy to the trainer."""
        if info.policy("jax") is None:
            return
        nodes = apply_node_count(info)
        inject_rendezvous(
            info,
            [
                {"name": "JAX_NUM_PROCESSES", "value": str(nodes)},
                {"name": "JAX_PROCESS_ID", "valueFrom": RANK},
                {"name": "JAX_COORDINATOR_ADDRESS", "value": f"{coordinator_host(info)}:{TRAINER_PORT}"},
            ],
        )
