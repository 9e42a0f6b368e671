"""Set the priority of pods from their PriorityClass, as Kubernetes' admission plugin Priority does.

Called by `writes` with the existing PriorityClasses. A new pod gets the priority and preemption policy of its class, or
of the default class; clients cannot set other values. Later changes of the classes do not affect the pod
(https://github.com/kubernetes/kubernetes/tree/master/plugin/pkg/admission/priority).
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_trainjob.api.kinds.priority_classes import PREEMPTS
from jupyter_trainjob.api.resources import PODS, PRIORITYCLASSES, KubeObject
from jupyter_trainjob.cluster.apiserver import status_errors

_IMMUTABLE_FIELDS = ("priority", "preemptionPolicy")


def resolve_priority(pod: KubeObject, classes: Sequence[KubeObject]) -> KubeObject:
    """Return a new pod with its priority; raises 403 for an unknown class or a different priority in the spec."""
    spec = dict(pod.get("spec") or {})
    class_name = spec.get("priorityClassName")
    by_name = {entry["metadata"]["name"]: entry for entry in classes}
    priority_class = by_name.get(class_name) if class_name else default_class(classes)
    if class_name and priority_class is None:
        raise _forbidden(pod, f"no PriorityClass with name {class_name} was found")
    if priority_class is not None:
        spec["priorityClassName"] = priority_class["metadata"]["name"]
    value = priority_class["value"] if priority_class else 0
    policy = priority_class.get("preemptionPolicy", PREEMPTS) if priority_class else PREEMPTS
    from_class = "from the given PriorityClass name"
    if spec.get("priority") not in {None, value}:
        provided = f"the integer value of priority ({spec['priority']})"
        computed = f"priority admission controller computed {value} {from_class}"
        raise _forbidden(pod, f"{provided} must not be provided in pod spec; {computed}")
    if spec.get("preemptionPolicy") not in {None, policy}:
        provided = f"the string value of PreemptionPolicy ({spec['preemptionPolicy']})"
        computed = f"priority admission controller computed {policy} {from_class}"
        raise _forbidden(pod, f"{provided} must not be provided in pod spec; {computed}")
    return {**pod, "spec": {**spec, "priority": value, "preemptionPolicy": policy}}


def keep_priority(new: KubeObject, old: KubeObject) -> KubeObject:
    """Return an updated pod, with the priority of the old one if the update omits it."""
    old_spec = old.get("spec") or {}
    inherited = {
        name: old_spec[name]
        for name in _IMMUTABLE_FIELDS
        if name in old_spec and (new.get("spec") or {}).get(name) is None
    }
    return {**new, "spec": {**(new.get("spec") or {}), **inherited}} if inherited else new


def check_single_default(new: KubeObject, classes: Sequence[KubeObject]) -> None:
    """Raise 403 for a second class with ``globalDefault``."""
    current = default_class(classes) if new.get("globalDefault") else None
    if current is not None and current["metadata"]["name"] != new["metadata"]["name"]:
        message = (
            f"PriorityClass {current['metadata']['name']} is already marked as default. Only one default can exist"
        )
        raise status_errors.forbidden(PRIORITYCLASSES, new["metadata"]["name"], message)


def default_class(classes: Sequence[KubeObject]) -> KubeObject | None:
    """Return the default class. Two can exist only after a race; then the lower one counts."""
    defaults = [entry for entry in classes if entry.get("globalDefault")]
    return min(defaults, key=lambda entry: int(entry["value"]), default=None)


def _forbidden(pod: KubeObject, message: str) -> Exception:
    return status_errors.forbidden(PODS, str(pod["metadata"].get("name") or ""), message)
