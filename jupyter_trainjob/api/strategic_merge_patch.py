"""Strategic merge patches, which merge keyed lists by element.

kubectl sends them for Kubernetes' own kinds (``apply``, ``patch``, ``taint``), and Kubeflow Trainer merges runtime
patches by the same rules. The keys are the ``patchMergeKey`` tags of Kubernetes' and JobSet's Go types; other lists are
atomic. A list has the same key in every type that has it, but for ``ports``, so the name of the list is enough.
Directives: ``$patch``, ``$retainKeys``, ``$setElementOrder/…`` and ``$deleteFromPrimitiveList/…``.

Upstream: https://github.com/kubernetes/apimachinery/blob/master/pkg/util/strategicpatch/patch.go
"""

from __future__ import annotations

from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject

_MERGE_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "addresses": ("type",),
    "conditions": ("type",),
    "containers": ("name",),
    "dependsOn": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "hostIPs": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "port"),
    "replicatedJobs": ("name",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Merge keys by list name; the first one that the elements have counts (ports: of a container or a service)."""
_SETS: Final = {"finalizers"}
_ORDER: Final = "$setElementOrder/"
_DELETE: Final = "$deleteFromPrimitiveList/"
_RETAIN: Final = "$retainKeys"
_DIRECTIVE: Final = "$patch"


def apply_strategic_merge_patch(target: KubeObject, patch: KubeObject) -> KubeObject:
    """Return `target` with a patch applied. The result may share parts with both.

    Raises `ValueError` for an unknown directive and for an element without its merge key.

    >>> apply_strategic_merge_patch(
    ...     {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
    ...     {"env": [{"name": "B", "value": "3"}]},
    ... )
    {'env': [{'name': 'A', 'value': '1'}, {'name': 'B', 'value': '3'}]}
    """
    match patch.get(_DIRECTIVE):
        case "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        case "delete":
            return {}
        case None | "merge":
            pass
        case other:
            raise ValueError(f"unknown patch directive {other!r}: must be merge, replace or delete")
    merged = dict(target)
    if _RETAIN in patch:
        merged = {key: value for key, value in merged.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            name = key.removeprefix(_DELETE)
            merged[name] = [element for element in merged.get(name) or [] if element not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_value(key, merged.get(key), value)
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and name in merged:
            merged[name] = _sort_elements(merged[name], order, target.get(name) or [], _merge_key(name, order))
    return merged


def _merge_value(name: str, old: Any, new: Any) -> Any:
    if isinstance(new, dict):
        return apply_strategic_merge_patch(old if isinstance(old, dict) else {}, new)
    if not isinstance(new, list):
        return new
    old = old if isinstance(old, list) else []
    if name in _SETS:
        return _sort_elements(old + [element for element in new if element not in old], new, old, None)
    key = _merge_key(name, [*new, *old])
    if key is None:
        return new
    return _sort_elements(_merge_keyed(key, old, new), new, old, key)


def _merge_keyed(key: str, old: list[Any], new: list[Any]) -> list[Any]:
    if any(patch.get(_DIRECTIVE) == "replace" and key not in patch for patch in new):
        return [patch for patch in new if key in patch]
    elements = {element[key]: element for element in old}
    for patch in new:
        if key not in patch:
            raise ValueError(f"map: {patch} does not contain declared merge key: {key}")
        if patch.get(_DIRECTIVE) == "delete":
            elements.pop(patch[key], None)
        else:
            elements[patch[key]] = apply_strategic_merge_patch(elements.get(patch[key], {}), patch)
    return list(elements.values())


def _sort_elements(values: list[Any], order: list[Any], old: list[Any], key: str | None) -> list[Any]:
    """Sort the elements in `order` into its order, and put each other one before the first that it preceded in `old`.

    Upstream: ``normalizeElementOrder`` and ``mergeSortedSlice``.
    """

    def identity(element: Any) -> Any:
        return element.get(key) if key else element

    ranks = {identity(element): rank for rank, element in enumerate(order)}
    before = {identity(element): position for position, element in enumerate(old)}
    ordered = sorted((value for value in values if identity(value) in ranks), key=lambda value: ranks[identity(value)])
    others = [value for value in values if identity(value) not in ranks]
    others.sort(key=lambda value: before.get(identity(value), len(before)))
    merged: list[Any] = []
    for value in ordered:
        position = before.get(identity(value))
        while position is not None and others and before.get(identity(others[0]), len(before)) < position:
            merged.append(others.pop(0))
        merged.append(value)
    return merged + others


def _merge_key(name: str, elements: list[Any]) -> str | None:
    """Return the merge key of a list, None if it is atomic."""
    for key in _MERGE_KEYS.get(name, ()):
        if any(isinstance(element, dict) and key in element for element in elements):
            return key
    return None
