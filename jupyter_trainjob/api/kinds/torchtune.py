"""torchtune: the model of a runtime, the recipe of a TrainJob, and what Kubeflow Trainer's webhook refuses.

For TrainJobs whose command is ``tune run``. The controller completes that command (`controller.plugins`).

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/framework/plugins/torch/torchtune.go
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError

ENTRYPOINT: Final = ["tune", "run"]
RUNTIME_SETTINGS: Final = frozenset(
    {"output_dir", "tokenizer.path", "tokenizer.merges_file", "checkpointer.checkpoint_dir"}
)
"""Settings that only the runtime determines, as arguments of its own command."""
_LLAMA_SMALL: Final = ("llama3_2/1B", "llama3_2/3B")
_LLAMA_LARGE: Final = "llama3_3/70B"
_QWEN: Final = "qwen2_5/1.5B"
MODELS: Final = frozenset({*_LLAMA_SMALL, _LLAMA_LARGE, _QWEN})


def model_of(runtime: str) -> str:
    """Return torchtune's name of the model of a runtime; empty if the runtime's name does not have three parts.

    >>> model_of("torchtune-llama3.2-1b")
    'llama3_2/1B'
    """
    parts = runtime.split("-")
    return f"{parts[1].replace('.', '_')}/{parts[2].upper()}" if len(parts) == 3 else ""


def choose_recipe(arguments: Sequence[str], *, nodes: int, single_device: bool) -> tuple[str, str]:
    """Return recipe and suffix of the config. torchtune has no LoRA recipe for several nodes.

    >>> choose_recipe(["model.lora_attn_modules=[q_proj]"], nodes=1, single_device=False)
    ('lora_finetune_distributed', '_lora')
    """
    kind = "qlora" if _is_qlora(arguments) else "lora" if _is_lora(arguments) else "full"
    if single_device:
        recipe = "full_finetune_single_device" if kind == "full" else "lora_finetune_single_device"
        return recipe, f"_{kind}_single_device"
    if nodes == 1 and kind != "full":
        return "lora_finetune_distributed", f"_{kind}"
    return "full_finetune_distributed", "_full_multinode" if nodes > 1 else "_full"


def validate(spec: KubeObject, *, gpus: int) -> Iterator[FieldError]:
    """Yield what is wrong with the TrainJob of this spec; `gpus` is the number of a node's GPUs."""
    trainer = spec["trainer"]
    runtime, arguments = spec["runtimeRef"]["name"], trainer.get("args") or ()
    nodes, processes = trainer.get("numNodes", 1), trainer.get("numProcPerNode", "auto")
    model = model_of(runtime)
    if model not in MODELS:
        message = f"must have a supported pretrained model, invalid model configured: {model}"
        yield schema.invalid_error("spec.runtimeRef.name", runtime, message)
    if nodes > 1 and model != _LLAMA_LARGE:
        yield schema.invalid_error("spec.trainer.numNodes", nodes, f"must be 1 for {model} model")
    single_device = nodes == 1 and (processes == 1 or gpus == 1)
    _, suffix = choose_recipe(arguments, nodes=nodes, single_device=single_device)
    if suffix.startswith("_qlora"):
        if model == _QWEN:
            yield schema.invalid_error("spec.runtimeRef.name", runtime, f"QLoRA is not supported for {model} model")
        if not single_device and model in _LLAMA_SMALL:
            condition = f"for {model} model when using QLoRA"
            yield schema.invalid_error("spec.trainer.numProcPerNode", processes, f"must be auto or 1 {condition}")
            resources = trainer.get("resourcesPerNode")
            yield schema.invalid_error(
                "spec.trainer.resourcesPerNode", resources, f"must have gpu resource with value 1 {condition}"
            )
    if nodes > 1 and (_is_lora(arguments) or _is_qlora(arguments)):
        message = "LoRA fine-tuning is not supported for multi-node training in TorchTune"
        yield schema.invalid_error("spec.trainer.numNodes", nodes, message)
    for index, argument in enumerate(arguments):
        setting = argument.partition("=")[0]
        if setting in RUNTIME_SETTINGS:
            message = f'must not set immutable config "{setting}" in trainer args; it is managed by the runtime'
            yield schema.invalid_error(f"spec.trainer.args[{index}]", argument, message)


def _is_lora(arguments: Sequence[str]) -> bool:
    return any("model.lora_attn_modules" in argument for argument in arguments)


def _is_qlora(arguments: Sequence[str]) -> bool:
    """Return whether arguments request QLoRA: a quantized base model without DoRA."""
    return _is_true(arguments, "model.quantize_base") and not _is_true(arguments, "model.use_dora")


def _is_true(arguments: Sequence[str], setting: str) -> bool:
    pairs = (argument.partition("=") for argument in arguments)
    return any(setting in key and value.strip().lower() == "true" for key, _, value in pairs)
