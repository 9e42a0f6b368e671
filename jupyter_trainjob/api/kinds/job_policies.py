"""Defaults and validation of a Job's policies (``validatePodFailurePolicy``, ``validateSuccessPolicy``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jupyter_trainjob.api.kinds import pods
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError

_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS: Final = ("In", "NotIn")
_STATUSES: Final = ("False", "True", "Unknown")
_REPLACEMENTS: Final = ("Failed", "TerminatingOrFailed")


def set_defaults(spec: KubeObject) -> None:
    """Set, in place, the defaults of the policies of a Job."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern.setdefault("status", "True")


def validate(spec: KubeObject) -> Iterator[FieldError]:
    """Yield the errors in the policies of a Job."""
    replacements = ("Failed",) if spec.get("podFailurePolicy") else _REPLACEMENTS
    replacement = spec.get("podReplacementPolicy", "Failed")
    if replacement not in replacements:
        yield pods.unsupported_error("spec.podReplacementPolicy", replacement, replacements)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        message = "Required value: when maxFailedIndexes is specified"
        yield FieldError("spec.backoffLimitPerIndex", schema.REQUIRED, message)
    for index, rule in enumerate((spec.get("podFailurePolicy") or {}).get("rules") or ()):
        yield from _check_failure_rule(spec, rule, f"spec.podFailurePolicy.rules[{index}]")
    if spec.get("successPolicy") is not None:
        yield from _check_success_policy(spec)


def _check_failure_rule(spec: KubeObject, rule: KubeObject, path: str) -> Iterator[FieldError]:
    action = rule.get("action") or ""
    if not action:
        message = "Required value: valid values: [" + " ".join(f'"{known_action}"' for known_action in _ACTIONS) + "]"
        yield FieldError(f"{path}.action", schema.REQUIRED, message)
    elif action not in _ACTIONS:
        yield pods.unsupported_error(f"{path}.action", action, _ACTIONS)
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        yield _invalid(f"{path}.action", '"FailIndex"', "requires the backoffLimitPerIndex to be set")
    codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions")
    if codes is not None:
        yield from _check_exit_codes(spec, codes, f"{path}.onExitCodes")
    for index, pattern in enumerate(patterns or ()):
        if pattern.get("status", "True") not in _STATUSES:
            yield pods.unsupported_error(f"{path}.onPodConditions[{index}].status", pattern["status"], _STATUSES)
    if codes is not None and patterns:
        message = "Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"
        yield FieldError(path, schema.INVALID, message)
    if codes is None and not patterns:
        message = "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"
        yield FieldError(path, schema.INVALID, message)


def _check_exit_codes(spec: KubeObject, codes: KubeObject, path: str) -> Iterator[FieldError]:
    operator, values, name = codes.get("operator") or "", codes.get("values") or [], codes.get("containerName")
    if operator not in _OPERATORS:
        yield pods.unsupported_error(f"{path}.operator", operator, _OPERATORS)
    pod = (spec.get("template") or {}).get("spec") or {}
    if name is not None and all(
        name != container["name"] for container in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ()))
    ):
        message = "must be one of the container or initContainer names in the pod template"
        yield _invalid(f"{path}.containerName", f'"{name}"', message)
    if not values:
        yield _invalid(f"{path}.values", "[]", "at least one value is required")
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            yield _invalid(f"{path}.values[{index}]", 0, "must not be 0 for the In operator")
    if values != sorted(values):
        yield _invalid(f"{path}.values", f"[{','.join(map(str, values))}]", "must be ordered")


def _check_success_policy(spec: KubeObject) -> Iterator[FieldError]:
    if spec.get("completionMode", "NonIndexed") != "Indexed":
        yield _invalid("spec.successPolicy", "object", "requires indexed completion mode")
        return
    rules = spec["successPolicy"].get("rules") or []
    if not rules:
        message = "Required value: at least one rules must be specified when the successPolicy is specified"
        yield FieldError("spec.successPolicy.rules", schema.REQUIRED, message)
    completions = spec.get("completions") or 0
    for index, rule in enumerate(rules):
        path, count = f"spec.successPolicy.rules[{index}]", rule.get("succeededCount")
        if count is None and rule.get("succeededIndexes") is None:
            message = "Required value: at least one of succeededCount or succeededIndexes must be specified"
            yield FieldError(path, schema.REQUIRED, message)
        if count is not None and count < 0:
            yield pods.negative_error(f"{path}.succeededCount", count)
        if count is not None and count > completions:
            message = f"must be less than or equal to {completions} (the number of specified completions)"
            yield _invalid(f"{path}.succeededCount", count, message)


def _invalid(path: str, value: Any, message: str) -> FieldError:
    return FieldError(path, schema.INVALID, f"Invalid value: {value}: {message}")
