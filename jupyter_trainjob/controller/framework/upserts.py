"""Put items into the lists of a pod: replace the one that is meant by the same name, else append.

Used by plugins on the containers of a `PodSet`. The whole item is replaced, its fields are not merged (Kubeflow's
``pkg/apply``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

from jupyter_trainjob.api.resources import Object


def upsert_env(container: Object, variables: Iterable[Object]) -> None:
    """Set environment variables of a container."""
    for variable in variables:
        _upsert(container, "env", variable, lambda old, new: old["name"] == new["name"])


def upsert_port(container: Object, port: Object) -> None:
    """Open a port of a container; it replaces one of the same number or the same name.

    Upstream two ports without a name count as of the same name, so that a runtime's unnamed port is lost; here it
    stays.
    """

    def same(old: Object, new: Object) -> bool:
        named = new.get("name") is not None and old.get("name") == new["name"]
        return bool(named or old["containerPort"] == new["containerPort"])

    _upsert(container, "ports", port, same)


def user_env(variables: Iterable[Object]) -> list[Object]:
    """Return a TrainJob's environment as it goes into the pod: of a field reference only its path counts."""
    copied = [copy.deepcopy(variable) for variable in variables]
    for variable in copied:
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            variable["valueFrom"]["fieldRef"] = {"fieldPath": reference["fieldPath"]}
        if not variable.get("valueFrom"):
            variable.setdefault("value", "")
    return copied


def _upsert(container: Object, field: str, item: Object, same: Callable[[Object, Object], bool]) -> None:
    items: list[Object] = container.setdefault(field, [])
    for index, old in enumerate(items):
        if same(old, item):
            items[index] = item
            return
    items.append(item)
