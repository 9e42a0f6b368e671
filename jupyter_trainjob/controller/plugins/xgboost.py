"""XGBoost: what its collective communicator reads from the environment (``DMLC_*``), and the port of the tracker.

Runs in the ML policy phase for runtimes with ``mlPolicy.xgboost``. The first node runs the tracker. The number of
workers counts the GPUs, while one process is started per node: with several GPUs, the program starts one per GPU.

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/framework/plugins/xgboost/xgboost.go
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


class XGBoost:
    """Sets node count, the tracker's address and port, the number of workers, and the rank."""

    name = "XGBoost"
    policies = frozenset({"xgboost"})

    def enforce_ml_policy(self, info: Info) -> None:
        """Apply the xgboost policy to the trainer; PlainML adds the user's environment."""
        if info.policy("xgboost") is None:
            return
        nodes = apply_node_count(info)
        inject_rendezvous(
            info,
            [
                {"name": "DMLC_TRACKER_URI", "value": coordinator_host(info)},
                {"name": "DMLC_TRACKER_PORT", "value": str(TRAINER_PORT)},
                {"name": "DMLC_TASK_ID", "valueFrom": RANK},
                {"name": "DMLC_NUM_WORKER", "value": str(nodes * max(1, info.gpus_per_node()))},
            ],
        )
