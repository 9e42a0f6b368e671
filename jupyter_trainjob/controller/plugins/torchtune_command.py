"""Complete the command ``tune run`` for torchtune: rendezvous, recipe, config, and the runtime's paths.

Used by the torch plugin for TrainJobs whose command is exactly ``["tune", "run"]``. The user's arguments follow as
the container's ``args``, and choose between full, LoRA and QLoRA fine-tuning.

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/framework/plugins/torch/torchtune.go
"""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_trainjob.api.kinds.torchtune import ENTRYPOINT, RUNTIME_SETTINGS, choose_recipe, model_of
from jupyter_trainjob.constants import ANCESTOR_TRAINER, NODE_CONTAINER, TRAINER_PORT
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.rendezvous import coordinator_host


def complete_command(info: Info, *, nodes: int, processes: str) -> list[str]:
    """Return the whole command line; `processes` is ``PET_NPROC_PER_NODE``."""
    gpus = info.gpus_per_node()
    per_node = gpus if processes == "auto" else int(processes)
    command = list(ENTRYPOINT)
    if nodes > 1 or per_node > 1:
        command.append(f"--rdzv_endpoint={coordinator_host(info)}:{TRAINER_PORT}")
    arguments = info.trainer.get("args") or ()
    single_device = nodes == 1 and (processes == "1" or gpus == 1)
    recipe, suffix = choose_recipe(arguments, nodes=nodes, single_device=single_device)
    model = model_of(info.train_job["spec"]["runtimeRef"]["name"])
    return [*command, recipe, "--config", f"{model}{suffix}", *_runtime_settings(info)]


def _runtime_settings(info: Info) -> Iterator[str]:
    for pods in info.pod_sets:
        if pods.ancestor == ANCESTOR_TRAINER:
            for container in pods.pod_spec.get("containers") or ():
                if container["name"] == NODE_CONTAINER:
                    command = container.get("command") or ()
                    yield from (word for word in command if word.partition("=")[0] in RUNTIME_SETTINGS)
