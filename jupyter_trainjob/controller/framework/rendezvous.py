"""What the processes of a distributed job need to find each other: node count, coordinator address and rank.

Used by the plugins of frameworks whose processes meet at the first node. Its host name comes from JobSet's headless
Service: pod 0 of the replicated job ``node``.
"""

from __future__ import annotations

from typing import Final

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.constants import ANCESTOR_TRAINER, JOB_COMPLETION_INDEX, NODE_JOB, TRAINER_PORT
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.list_upserts import upsert_env, upsert_port

RANK: Final[KubeObject] = {"fieldRef": {"fieldPath": f"metadata.annotations['{JOB_COMPLETION_INDEX}']"}}
"""The ``valueFrom`` of a variable with the rank of the node, which is the completion index of its pod."""


def apply_node_count(info: Info) -> int:
    """Give the trainer's pod set the TrainJob's number of nodes, if it has one; return the number of nodes."""
    pods = info.pod_set_of(ANCESTOR_TRAINER)
    if pods is None:
        return 1
    requested = info.trainer.get("numNodes")
    if requested is not None:
        pods.count = requested
    return pods.count


def coordinator_host(info: Info) -> str:
    """Return the host name of the first node."""
    return f"{info.name}-{NODE_JOB}-0-0.{info.name}"


def inject_rendezvous(info: Info, variables: list[KubeObject]) -> None:
    """Set environment variables of the trainer's container, if there is one, and open the rendezvous port."""
    container = info.trainer_container()
    if container is not None:
        upsert_env(container, variables)
        upsert_port(container, {"containerPort": TRAINER_PORT})
