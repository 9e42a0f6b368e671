"""PlainML: runtimes without a framework. Number of nodes and environment are all that a TrainJob adds.

Runs in the ML policy phase, for every policy that has no plugin which does the same and more.
"""

from __future__ import annotations

from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.list_upserts import upsert_env, user_env
from jupyter_trainjob.controller.framework.rendezvous import apply_node_count

_HANDLED_ELSEWHERE = ("torch", "mpi", "jax")


class PlainML:
    """Sets node count and environment."""

    name = "PlainML"
    policies: frozenset[str] = frozenset()

    def enforce_ml_policy(self, info: Info) -> None:
        """Apply numNodes and env of the TrainJob to its trainer."""
        if any(info.policy(source) is not None for source in _HANDLED_ELSEWHERE):
            return
        apply_node_count(info)
        container = info.trainer_container()
        if container is not None and info.trainer.get("env"):
            upsert_env(container, user_env(info.trainer["env"]))
