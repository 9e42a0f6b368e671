"""Match a pod's node selector, node affinity and tolerations against a node.

Pure functions, called by `placement`; the fields that they read were validated at admission (``api.kinds.affinity``).
Preferred affinity is ignored: it only chooses among several nodes that fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from jupyter_trainjob.api.kinds.affinity import NAME_FIELD, required_terms
from jupyter_trainjob.api.resources import KubeObject

_SCHEDULING_EFFECTS: Final = frozenset({"NoSchedule", "NoExecute"})


def matches_node(spec: KubeObject, node: KubeObject) -> bool:
    """Return whether a pod's nodeSelector and required node affinity match a node."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    terms = required_terms(spec)
    return terms is None or any(_term_matches(term, labels, node["metadata"]["name"]) for term in terms)


def untolerated_taint(spec: KubeObject, node: KubeObject) -> str:
    """Return the first taint of a node that the pod does not tolerate, as ``{key: value}``; empty if there is none."""
    tolerations = spec.get("tolerations") or ()
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("effect") in _SCHEDULING_EFFECTS and not any(
            _tolerates(toleration, taint) for toleration in tolerations
        ):
            return f"{{{taint.get('key', '')}: {taint.get('value') or ''}}}"
    return ""


def _term_matches(term: KubeObject, labels: Mapping[str, str], name: str) -> bool:
    """Return whether a node fulfils all requirements of a term; an empty term matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    return bool(expressions or fields) and _all_hold(expressions, labels) and _all_hold(fields, {NAME_FIELD: name})


def _all_hold(requirements: Iterable[KubeObject], values: Mapping[str, str]) -> bool:
    return all(_holds(requirement, values.get(requirement["key"])) for requirement in requirements)


def _holds(requirement: KubeObject, value: str | None) -> bool:
    values = requirement.get("values") or []
    operator = requirement["operator"]
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    try:
        number, bound = int(value or ""), int(values[0])
    except ValueError:
        return False  # Gt and Lt compare integers only
    return number > bound if operator == "Gt" else number < bound


def _tolerates(toleration: KubeObject, taint: KubeObject) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    exists = toleration.get("operator") == "Exists"
    return exists or (toleration.get("value") or "") == (taint.get("value") or "")
