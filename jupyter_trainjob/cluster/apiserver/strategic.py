"""Strategic merge patch: a merge patch that knows which lists of Kubernetes' own kinds are keyed.

kubectl sends it for pods, jobs, nodes and the like (``apply``, ``patch``, ``taint``). The keys are the
``patchMergeKey`` tags of k8s.io/api; lists that are not named here are atomic. Directives: ``$patch``,
``$retainKeys``, ``$setElementOrder/…`` and ``$deleteFromPrimitiveList/…``.
"""

from __future__ import annotations

from typing import Any, Final

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.apiserver import status

_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "addresses": ("type",),
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "hostIPs": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "port"),
    "resourceClaims": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Name of a list → the key that its elements have (ports: a container's or a service's)."""
_SETS: Final = {"finalizers"}
_ORDER: Final = "$setElementOrder/"
_DELETE: Final = "$deleteFromPrimitiveList/"
_RETAIN: Final = "$retainKeys"
_DIRECTIVE: Final = "$patch"


def merge(target: Object, patch: Object) -> Object:
    """Return `target` with a strategic merge patch applied."""
    match patch.get(_DIRECTIVE):
        case "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        case "delete":
            return {}
        case None | "merge":
            pass
        case other:
            raise status.bad_request(f"unknown patch directive {other!r}: must be merge, replace or delete")
    merged = dict(target)
    if _RETAIN in patch:
        merged = {key: value for key, value in merged.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            name = key.removeprefix(_DELETE)
            merged[name] = [each for each in merged.get(name) or [] if each not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_value(key, merged.get(key), value, patch.get(_ORDER + key))
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and name in merged and name not in patch:
            merged[name] = _ordered(name, merged[name], order)
    return merged


def _merge_value(name: str, old: Any, new: Any, order: list[Any] | None) -> Any:
    if isinstance(new, dict):
        return merge(old if isinstance(old, dict) else {}, new)
    if not isinstance(new, list):
        return new
    old = old if isinstance(old, list) else []
    if name in _SETS:
        merged = old + [each for each in new if each not in old]
        return _ordered(name, merged, order)
    key = _key(name, [*new, *old])
    if key is None:
        return new
    return _ordered(name, _merge_keyed(key, old, new), order)


def _merge_keyed(key: str, old: list[Any], new: list[Any]) -> list[Any]:
    if any(each.get(_DIRECTIVE) == "replace" and key not in each for each in new):
        return [each for each in new if key in each]
    elements = {each[key]: each for each in old}
    for each in new:
        if key not in each:
            raise status.bad_request(f"map: {each} does not contain declared merge key: {key}")
        if each.get(_DIRECTIVE) == "delete":
            elements.pop(each[key], None)
        else:
            elements[each[key]] = merge(elements.get(each[key], {}), each)
    return list(elements.values())


def _ordered(name: str, values: list[Any], order: list[Any] | None) -> list[Any]:
    """Sort the elements that `order` names into its order; the others keep their places among them."""
    if not order:
        return values
    key = _key(name, order)
    wanted = [each[key] if key else each for each in order]
    ranks = {value: rank for rank, value in enumerate(wanted)}
    last = -1
    placed = []
    for position, each in enumerate(values):
        last = ranks.get(each.get(key) if key else each, last)
        placed.append((last, position))
    return [values[position] for _, position in sorted(placed)]


def _key(name: str, elements: list[Any]) -> str | None:
    """Return the merge key of a list; None where it is atomic."""
    for key in _KEYS.get(name, ()):
        if any(isinstance(each, dict) and key in each for each in elements):
            return key
    return None
