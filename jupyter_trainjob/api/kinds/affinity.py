"""Validate node affinity and tolerations of a pod as an API server does (ValidatePodSpec).

Called by `pods` for pods and pod templates. The scheduler reads the same fields and relies on their validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jupyter_trainjob.api import name_validation
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError

SET_OPERATORS: Final = ("In", "NotIn")
EXISTENCE_OPERATORS: Final = ("Exists", "DoesNotExist")
NUMERIC_OPERATORS: Final = ("Gt", "Lt")
EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
NAME_FIELD: Final = "metadata.name"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def required_terms(spec: KubeObject) -> list[KubeObject] | None:
    """Return the terms of which a node has to match at least one; None if the pod accepts any node."""
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED)
    return None if affinity is None else list(affinity.get("nodeSelectorTerms") or ())


def validate(spec: KubeObject, path: str) -> Iterator[FieldError]:
    """Yield the errors in node affinity and tolerations of the pod spec at `path`."""
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


def _check_expression(requirement: KubeObject, path: str) -> Iterator[FieldError]:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    if operator in SET_OPERATORS and not values:
        message = "Required value: must be specified when `operator` is 'In' or 'NotIn'"
        yield FieldError(f"{path}.values", schema.REQUIRED, message)
    elif operator in EXISTENCE_OPERATORS and values:
        message = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        yield FieldError(f"{path}.values", schema.FORBIDDEN, message)
    elif operator in NUMERIC_OPERATORS and len(values) != 1:
        message = "Required value: must be specified single value when `operator` is 'Lt' or 'Gt'"
        yield FieldError(f"{path}.values", schema.REQUIRED, message)
    elif operator not in {*SET_OPERATORS, *EXISTENCE_OPERATORS, *NUMERIC_OPERATORS}:
        yield _invalid(f"{path}.operator", operator, "not a valid selector operator")
    if problem := name_validation.label_key_problem(str(requirement.get("key") or "")):
        yield _invalid(f"{path}.key", requirement.get("key") or "", problem)


def _check_field(requirement: KubeObject, path: str) -> Iterator[FieldError]:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    if operator in SET_OPERATORS and len(values) != 1:
        message = "Required value: must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield FieldError(f"{path}.values", schema.REQUIRED, message)
    elif operator not in SET_OPERATORS:
        yield _invalid(f"{path}.operator", operator, "not a valid selector operator")
    if requirement.get("key") != NAME_FIELD:
        yield _invalid(f"{path}.key", requirement.get("key") or "", "not a valid field selector key")


def _check_toleration(toleration: KubeObject, path: str) -> Iterator[FieldError]:
    key, operator = str(toleration.get("key") or ""), toleration.get("operator") or "Equal"
    value, effect = str(toleration.get("value") or ""), toleration.get("effect") or ""
    if key and (problem := name_validation.label_key_problem(key)):
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
    elif operator == "Equal" and (problem := name_validation.label_value_problem(value)):
        yield _invalid(f"{path}.operator", value, problem)
    if effect and effect not in EFFECTS:
        yield _unsupported(f"{path}.effect", effect, EFFECTS)


def _invalid(path: str, value: Any, problem: str) -> FieldError:
    return FieldError(path, schema.INVALID, f'Invalid value: "{value}": {problem}')


def _unsupported(path: str, value: Any, supported: tuple[str, ...]) -> FieldError:
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return FieldError(path, schema.UNSUPPORTED, f'Unsupported value: "{value}": supported values: {choices}')
