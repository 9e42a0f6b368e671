"""``podFailurePolicy``: how a failed pod affects its Job, by exit codes and pod conditions.

The first matching rule applies (``matchPodFailurePolicy``): the failure counts as usual (Count), is ignored (Ignore),
or fails its index (FailIndex) or the whole Job (FailJob) at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jupyter_trainjob.api.resources import KubeObject

FAIL_JOB = "FailJob"
FAIL_INDEX = "FailIndex"
IGNORE = "Ignore"


@dataclass(frozen=True, slots=True)
class PolicyMatch:
    """The action of the rule that matches a failed pod, empty if none does; `message` explains a failed Job."""

    action: str = ""
    message: str = ""


def match_failure_policy(job: KubeObject, pod: KubeObject) -> PolicyMatch:
    """Return which rule of the Job's policy matches a failed pod."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        action, metadata = rule["action"], pod["metadata"]
        pod_name, rule_text = f"{metadata['namespace']}/{metadata['name']}", f"matching {action} rule at index {number}"
        if rule.get("onExitCodes"):
            container = _matching_container(pod, rule["onExitCodes"])
            if container is not None:
                code = container["state"]["terminated"]["exitCode"]
                message = f"Container {container['name']} for pod {pod_name} failed with exit code {code} {rule_text}"
                return PolicyMatch(action, message)
        else:
            condition = _matching_condition(pod, rule.get("onPodConditions") or ())
            if condition is not None:
                return PolicyMatch(action, f"Pod {pod_name} has condition {condition} {rule_text}")
    return PolicyMatch()


def counts_as_failure(job: KubeObject, pod: KubeObject) -> bool:
    """Return whether a failed pod counts towards the limits of its Job."""
    return match_failure_policy(job, pod).action != IGNORE


def _matching_container(pod: KubeObject, requirement: KubeObject) -> KubeObject | None:
    """Return the status of the first terminated container that matches an ``onExitCodes`` rule."""
    name, values = requirement.get("containerName"), requirement["values"]
    for container in _container_statuses(pod):
        terminated = (container.get("state") or {}).get("terminated")
        if not terminated or not terminated["exitCode"] or name not in {None, container["name"]}:
            continue
        if (terminated["exitCode"] in values) == (requirement["operator"] == "In"):
            return container
    return None


def _container_statuses(pod: KubeObject) -> Iterator[KubeObject]:
    status = pod.get("status") or {}
    yield from status.get("containerStatuses") or ()
    yield from status.get("initContainerStatuses") or ()


def _matching_condition(pod: KubeObject, patterns: Iterable[KubeObject]) -> str | None:
    wanted = [(pattern["type"], pattern.get("status", "True")) for pattern in patterns]
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if (condition["type"], condition["status"]) in wanted:
            return str(condition["type"])
    return None
