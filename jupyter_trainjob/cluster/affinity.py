"""What a pod says about nodes, held against a node: its selector, its node affinity, and the taints that it tolerates.

Pure functions, called by `placement`; what they read was checked when it came in (``api.affinity``). Preferences are
not looked at: they choose among several nodes that fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from jupyter_trainjob.api.affinity import NAME_FIELD, required_terms
from jupyter_trainjob.api.resources import Object

_KEEPS_OUT: Final = frozenset({"NoSchedule", "NoExecute"})


def selects(spec: Object, node: Object) -> bool:
    """Return whether a pod's nodeSelector and required node affinity match a node."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    terms = required_terms(spec)
    return terms is None or any(_term_matches(term, labels, node["metadata"]["name"]) for term in terms)


def untolerated(spec: Object, node: Object) -> str:
    """Return the first taint that keeps the pod off a node, as ``{key: value}``; empty if there is none."""
    tolerations = spec.get("tolerations") or ()
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("effect") in _KEEPS_OUT and not any(_tolerates(each, taint) for each in tolerations):
            return f"{{{taint.get('key', '')}: {taint.get('value') or ''}}}"
    return ""


def _term_matches(term: Object, labels: Mapping[str, str], name: str) -> bool:
    """Return whether a node is all that a term says; an empty term matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    return bool(expressions or fields) and _all_hold(expressions, labels) and _all_hold(fields, {NAME_FIELD: name})


def _all_hold(requirements: Iterable[Object], held: Mapping[str, str]) -> bool:
    return all(_holds(each, held.get(each["key"])) for each in requirements)


def _holds(requirement: Object, value: str | None) -> bool:
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
        found, bound = int(value or ""), int(values[0])
    except ValueError:
        return False  # only whole numbers are compared
    return found > bound if operator == "Gt" else found < bound


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    exists = toleration.get("operator") == "Exists"
    return exists or (toleration.get("value") or "") == (taint.get("value") or "")
