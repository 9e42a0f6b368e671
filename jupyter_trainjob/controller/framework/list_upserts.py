"""Upsert items in the lists of a pod: replace the item of the same name, else append.

Used by plugins on the containers of a `PodSet`. The whole item is replaced, its fields are not merged (Kubeflow's
``pkg/apply``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

from jupyter_trainjob.api.resources import KubeObject


def upsert_env(container: KubeObject, variables: Iterable[KubeObject]) -> None:
    """Set environment variables of a container."""
    for variable in variables:
        _upsert(container, "env", variable, lambda old, new: old["name"] == new["name"])


def upsert_volume(pod_spec: KubeObject, volume: KubeObject) -> None:
    """Give a pod a volume; it replaces one of the same name."""
    _upsert(pod_spec, "volumes", volume, lambda old, new: old["name"] == new["name"])


def upsert_mount(container: KubeObject, mount: KubeObject) -> None:
    """Mount a volume in a container; it replaces the mount of the same path."""
    _upsert(container, "volumeMounts", mount, lambda old, new: old["mountPath"] == new["mountPath"])


def upsert_port(container: KubeObject, port: KubeObject) -> None:
    """Open a port of a container; it replaces one of the same number or the same name.

    Upstream two ports without a name count as of the same name, so that a runtime's unnamed port is lost; here it
    stays.
    """

    def same(old: KubeObject, new: KubeObject) -> bool:
        named = new.get("name") is not None and old.get("name") == new["name"]
        return bool(named or old["containerPort"] == new["containerPort"])

    _upsert(container, "ports", port, same)


def user_env(variables: Iterable[KubeObject]) -> list[KubeObject]:
    """Return a TrainJob's environment as it goes into the pod: of a field reference only its path counts."""
    copied = [copy.deepcopy(variable) for variable in variables]
    for variable in copied:
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            variable["valueFrom"]["fieldRef"] = {"fieldPath": reference["fieldPath"]}
        if not variable.get("valueFrom"):
            variable.setdefault("value", "")
    return copied


def _upsert(owner: KubeObject, field: str, item: KubeObject, same: Callable[[KubeObject, KubeObject], bool]) -> None:
    items: list[KubeObject] = owner.setdefault(field, [])
    for index, old in enumerate(items):
        if same(old, item):
            items[index] = item
            return
    items.append(item)
