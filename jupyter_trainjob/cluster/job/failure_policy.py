"""``podFailurePolicy``: what one failed pod means for its Job, by exit codes and conditions.

The first rule that matches decides (``matchPodFailurePolicy``): the pod counts as any other, or is ignored, or fails
its index, or the whole Job at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jupyter_trainjob.api.resources import Object

FAIL_JOB = "FailJob"
FAIL_INDEX = "FailIndex"
IGNORE = "Ignore"


@dataclass(frozen=True, slots=True)
class Match:
    """The action of the rule that matches a failed pod; none if no rule does. `message` says why a Job fails."""

    action: str = ""
    message: str = ""


def match(job: Object, pod: Object) -> Match:
    """Return what the policy of a Job says of a failed pod."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        action, metadata = rule["action"], pod["metadata"]
        place, where = f"{metadata['namespace']}/{metadata['name']}", f"matching {action} rule at index {number}"
        if rule.get("onExitCodes"):
            container = _container(pod, rule["onExitCodes"])
            if container is not None:
                code = container["state"]["terminated"]["exitCode"]
                told = f"Container {container['name']} for pod {place} failed with exit code {code} {where}"
                return Match(action, told)
        else:
            condition = _condition(pod, rule.get("onPodConditions") or ())
            if condition is not None:
                return Match(action, f"Pod {place} has condition {condition} {where}")
    return Match()


def counts(job: Object, pod: Object) -> bool:
    """Return whether a failed pod counts towards the limits of its Job."""
    return match(job, pod).action != IGNORE


def _container(pod: Object, wanted: Object) -> Object | None:
    """Return the status of the first container that ended as the rule says."""
    name, values = wanted.get("containerName"), wanted["values"]
    for container in _statuses(pod):
        ended = (container.get("state") or {}).get("terminated")
        if not ended or not ended["exitCode"] or name not in {None, container["name"]}:
            continue
        if (ended["exitCode"] in values) == (wanted["operator"] == "In"):
            return container
    return None


def _statuses(pod: Object) -> Iterator[Object]:
    status = pod.get("status") or {}
    yield from status.get("containerStatuses") or ()
    yield from status.get("initContainerStatuses") or ()


def _condition(pod: Object, patterns: Iterable[Object]) -> str | None:
    wanted = [(pattern["type"], pattern.get("status", "True")) for pattern in patterns]
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if (condition["type"], condition["status"]) in wanted:
            return str(condition["type"])
    return None
