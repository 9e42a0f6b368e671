"""Convert ``--gpus --cpus --memory --procs-per-node`` to fields of the TrainJob. Pure.

In: the options, the runtime's trainer container, and the nodes of the cluster if the user may list them. Out: the
TrainJob's ``resourcesPerNode`` and ``numProcPerNode``, or an error that names the nearest fit.

Rules: an option sets request and limit alike; without it both stay as the runtime has them. Limits name a device or a
number of CPUs, or there are none: Kubeflow's SDK raises for every job of a namespace where one has other limits. So a
job that limits only its memory also gets a CPU limit without effect: all CPUs of the largest node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from jupyter_trainjob import errors
from jupyter_trainjob.api import container_resources as runtime_resources
from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.spec import units
from jupyter_trainjob.client.spec.options import JobOptions
from jupyter_trainjob.constants import FRAMEWORK_LABEL

GPU = "nvidia.com/gpu"
TORCH = "torch"


@dataclass(frozen=True)
class ResourceRequest:
    """Fields for ``spec.trainer``; None: leave it to the runtime."""

    resources: KubeObject | None
    procs_per_node: int | None


def request_resources(
    options: JobOptions, *, runtime: KubeObject, trainer: KubeObject, nodes: Sequence[KubeObject] | None
) -> ResourceRequest:
    """Return the requests of the TrainJob.

    `trainer` is the runtime's trainer container; `nodes` is None where the user may not list them. Raises
    `errors.UsageError` for options that contradict each other.
    """
    wanted = _wanted(options, nodes)
    limits, requests = dict(wanted), dict(wanted)
    if wanted and "cpu" not in wanted and not options["gpus"]:
        limits["cpu"] = _no_bound(trainer, nodes)
        if not _named(trainer, "cpu"):
            requests["cpu"] = "0"  # Else Kubernetes takes the limit for the request.
    resources: KubeObject | None = {"requests": requests, "limits": limits} if wanted else None
    return ResourceRequest(
        resources, _processes(options, runtime, runtime_resources.merge_resources(trainer, resources or {}))
    )


def no_fit_reason(want: KubeObject | None, *, count: int, nodes: Sequence[KubeObject], where: str, shared: bool) -> str:
    """Return why no node can ever run a pod with these requests, and the nearest fit; empty if one can.

    With `shared`, all `count` pods of the job have to fit on the nodes together, since no others will be added.
    """
    needed = quantity.parse_amounts((want or {}).get("requests"))
    if not needed or not nodes:
        return ""
    have = [quantity.parse_amounts((node.get("status") or {}).get("allocatable")) for node in nodes]
    if not any(_fits(needed, one) for one in have):
        lacking = [name for name in needed if not any(one.get(name) for one in have)]
        if lacking:
            resource = " or ".join("GPU" if "gpu" in name else name for name in lacking)
            return f"No node of {where} has any {resource}: ask for none, or choose another cluster with --context."
        nearest = max(have, key=lambda one: (_met(needed, one), one.get("cpu", Fraction(0))))
        return (
            f"No node of {where} has {_words(needed)}. The nearest has {_words(nearest, like=needed)}: ask for no more "
            "than that."
        )
    room = sum(min((int(one.get(name, 0) / amount) for name, amount in needed.items() if amount)) for one in have)
    if shared and count > room:
        total = {name: sum((one.get(name, Fraction(0)) for one in have), Fraction(0)) for name in needed}
        return (
            f"{count} nodes with {_words(needed)} each do not fit on {where} at once: it has {_words(total)} in all, "
            f"room for {room}. Ask for fewer nodes or for less; without these options the nodes share its resources."
        )
    return ""


def _wanted(options: JobOptions, nodes: Sequence[KubeObject] | None) -> dict[str, str]:
    wanted = {}
    if options["cpus"] is not None:
        wanted["cpu"] = units.cpus(options["cpus"])
    if options["memory"] is not None:
        wanted["memory"] = units.memory(options["memory"])
    if options["gpus"]:
        wanted[_device(nodes)] = str(options["gpus"])
    return wanted


def _device(nodes: Sequence[KubeObject] | None) -> str:
    """Return the resource name of the cluster's GPUs: NVIDIA's, unless it has only others."""
    names = {name for node in nodes or () for name in (node.get("status") or {}).get("allocatable") or ()}
    others = sorted(name for name in names if name.endswith("/gpu"))
    return GPU if GPU in names or not others else others[0]


def _no_bound(trainer: KubeObject, nodes: Sequence[KubeObject] | None) -> str:
    limit = (trainer.get("limits") or {}).get("cpu")
    if limit is not None:
        return str(limit)
    if not nodes:
        raise errors.UsageError(
            "--memory needs --cpus as well on this cluster: a limit of memory is only set together with one of CPUs, "
            "and you may not list the nodes to find the largest number of them. Add, say, --cpus 4."
        )
    most = max(
        quantity.parse_quantity(((node.get("status") or {}).get("allocatable") or {}).get("cpu", 1)) for node in nodes
    )
    requested = quantity.parse_quantity((trainer.get("requests") or {}).get("cpu", 0))
    return quantity.format_amount(max(most, requested))


def _processes(options: JobOptions, runtime: KubeObject, merged: KubeObject) -> int | None:
    torch = (runtime["metadata"].get("labels") or {}).get(FRAMEWORK_LABEL) == TORCH
    if options["procs_per_node"] is not None:
        if options["procs_per_node"] > 1 and not torch:
            raise errors.UsageError(
                f"--procs-per-node {options['procs_per_node']} needs a runtime of torch, whose torchrun starts the "
                f"processes of a node; {options['runtime']!r} starts one. Ask for more --nodes instead."
            )
        return options["procs_per_node"]
    if not torch or not (options["gpus"] or options["cpus"] is not None or options["memory"] is not None):
        return None
    # A limit of CPUs would otherwise be taken for a number of processes.
    return runtime_resources.gpu_count(merged) or 1


def _named(resources: KubeObject, name: str) -> bool:
    return any(name in (resources.get(kind) or {}) for kind in runtime_resources.KINDS)


def _fits(needed: quantity.Amounts, have: quantity.Amounts) -> bool:
    return all(have.get(name, 0) >= amount for name, amount in needed.items())


def _met(needed: quantity.Amounts, have: quantity.Amounts) -> Fraction:
    """Return the share of a request that a node meets, 1 for each resource that it has enough of."""
    shares = (min(Fraction(1), have.get(name, Fraction(0)) / amount) for name, amount in needed.items() if amount)
    return sum(shares, Fraction(0))


def _words(amounts: quantity.Amounts, *, like: quantity.Amounts | None = None) -> str:
    parts = []
    for name in amounts if like is None else like:
        amount = amounts.get(name, Fraction(0))
        if name == "memory":
            parts.append(f"{_memory(amount)} of memory")
        elif amount or like is not None or name != "cpu":
            unit = "CPU" if name == "cpu" else "GPU"
            parts.append(f"{float(amount):g} {unit}{'' if amount == 1 else 's'}")
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1] if parts else "nothing"


def _memory(amount: Fraction) -> str:
    """Return an amount rounded down, so that it can be requested."""
    for unit, size in (("Gi", 2**30), ("Mi", 2**20)):
        if amount >= size:
            tenths = int(amount * 10 / size)
            return f"{tenths // 10}{unit}" if tenths % 10 == 0 else f"{tenths / 10:.1f}{unit}"
    return f"{int(amount)} bytes"
