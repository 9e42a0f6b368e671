"""What a pod says about nodes, checked as an API server does: node affinity and tolerations (ValidatePodSpec).

Called by `pods` for pods and pod templates. The scheduler reads the same fields and relies on what is checked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jupyter_trainjob.api import names, schema
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.schema import FieldError

LISTING: Final = ("In", "NotIn")
ASKING: Final = ("Exists", "DoesNotExist")
COMPARING: Final = ("Gt", "Lt")
EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
NAME_FIELD: Final = "metadata.name"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def required_terms(spec: Object) -> list[Object] | None:
    """Return the terms of which a node has to match one; None if the pod takes any node."""
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED)
    return None if affinity is None else list(affinity.get("nodeSelectorTerms") or ())


def check(spec: Object, path: str) -> Iterator[FieldError]:
    """Yield what is wrong with node affinity and tolerations of a pod's spec that lies at `path`."""
    terms = required_terms(spec)
    where = f"{path}.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    if terms is not None and not terms:
        yield FieldError(where, schema.REQUIRED, "Required value: must have at least one node selector term")
    for index, term in enumerate(terms or ()):
        for number, requirement in enumerate(term.get("matchExpressions") or ()):
            yield from _check_expression(requirement, f"{where}[{index}].matchExpressions[{number}]")
        for number, requirement in enumerate(term.get("matchFields") or ()):
            yield from _check_field(requirement, f"{where}[{index}].matchFields[{number}]")
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        yield from _check_toleration(toleration, f"{path}.tolerations[{index}]")


def _check_expression(requirement: Object, path: str) -> Iterator[FieldError]:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    if operator in LISTING and not values:
        message = "Required value: must be specified when `operator` is 'In' or 'NotIn'"
        yield FieldError(f"{path}.values", schema.REQUIRED, message)
    elif operator in ASKING and values:
        message = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        yield FieldError(f"{path}.values", schema.FORBIDDEN, message)
    elif operator in COMPARING and len(values) != 1:
        message = "Required value: must be specified single value when `operator` is 'Lt' or 'Gt'"
        yield FieldError(f"{path}.values", schema.REQUIRED, message)
    elif operator not in {*LISTING, *ASKING, *COMPARING}:
        yield _invalid(f"{path}.operator", operator, "not a valid selector operator")
    if problem := names.label_key_problem(str(requirement.get("key") or "")):
        yield _invalid(f"{path}.key", requirement.get("key") or "", problem)


def _check_field(requirement: Object, path: str) -> Iterator[FieldError]:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    if operator in LISTING and len(values) != 1:
        message = "Required value: must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield FieldError(f"{path}.values", schema.REQUIRED, message)
    elif operator not in LISTING:
        yield _invalid(f"{path}.operator", operator, "not a valid selector operator")
    if requirement.get("key") != NAME_FIELD:
        yield _invalid(f"{path}.key", requirement.get("key") or "", "not a valid field selector key")


def _check_toleration(toleration: Object, path: str) -> Iterator[FieldError]:
    key, operator = str(toleration.get("key") or ""), toleration.get("operator") or "Equal"
    value, effect = str(toleration.get("value") or ""), toleration.get("effect") or ""
    if key and (problem := names.label_key_problem(key)):
        yield _invalid(f"{path}.key", key, problem)
    if not key and operator != "Exists":
        problem = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield _invalid(f"{path}.operator", toleration.get("operator") or "", problem)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        problem = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield _invalid(f"{path}.effect", effect, problem)
    if operator not in {"Equal", "Exists"}:
        yield _unsupported(f"{path}.operator", operator, ("Equal", "Exists"))
    elif operator == "Exists" and value:
        yield _invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'")
    elif operator == "Equal" and (problem := names.label_value_problem(value)):
        yield _invalid(f"{path}.operator", value, problem)
    if effect and effect not in EFFECTS:
        yield _unsupported(f"{path}.effect", effect, EFFECTS)


def _invalid(path: str, value: Any, problem: str) -> FieldError:
    return FieldError(path, schema.INVALID, f'Invalid value: "{value}": {problem}')


def _unsupported(path: str, value: Any, supported: tuple[str, ...]) -> FieldError:
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return FieldError(path, schema.UNSUPPORTED, f'Unsupported value: "{value}": supported values: {choices}')
