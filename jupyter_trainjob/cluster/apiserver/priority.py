"""What a pod's priorityClassName means, decided once, when the pod comes in: Kubernetes' admission plugin Priority.

Called by `writes` with the PriorityClasses that there are. A new pod gets the number and the preemption policy of its
class, or of the class that is the default of the cluster; nobody may write those two himself. They stay what they are
when the class is deleted or another becomes the default.
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_trainjob.api.priorityclasses import PREEMPTS
from jupyter_trainjob.api.resources import PODS, PRIORITYCLASSES, Object
from jupyter_trainjob.cluster.apiserver import status

_ESTABLISHED = ("priority", "preemptionPolicy")


def of_new_pod(pod: Object, classes: Sequence[Object]) -> Object:
    """Return a new pod with its priority; 403 if its class is not known, or if it claims another priority."""
    spec = dict(pod.get("spec") or {})
    wanted = spec.get("priorityClassName")
    chosen = next((each for each in classes if each["metadata"]["name"] == wanted), None) if wanted else None
    if wanted and chosen is None:
        raise _forbidden(pod, f"no PriorityClass with name {wanted} was found")
    chosen = chosen or default_of(classes)
    if chosen is not None:
        spec["priorityClassName"] = chosen["metadata"]["name"]
    value = chosen["value"] if chosen else 0
    policy = chosen.get("preemptionPolicy", PREEMPTS) if chosen else PREEMPTS
    from_class = "from the given PriorityClass name"
    if spec.get("priority") not in {None, value}:
        said = f"the integer value of priority ({spec['priority']})"
        found = f"priority admission controller computed {value} {from_class}"
        raise _forbidden(pod, f"{said} must not be provided in pod spec; {found}")
    if spec.get("preemptionPolicy") not in {None, policy}:
        said = f"the string value of PreemptionPolicy ({spec['preemptionPolicy']})"
        found = f"priority admission controller computed {policy} {from_class}"
        raise _forbidden(pod, f"{said} must not be provided in pod spec; {found}")
    return {**pod, "spec": {**spec, "priority": value, "preemptionPolicy": policy}}


def of_known_pod(new: Object, old: Object) -> Object:
    """Return a changed pod with the priority that it had, if the change leaves it out."""
    before = old.get("spec") or {}
    kept = {name: before[name] for name in _ESTABLISHED if name in before and (new.get("spec") or {}).get(name) is None}
    return {**new, "spec": {**(new.get("spec") or {}), **kept}} if kept else new


def check_default(new: Object, classes: Sequence[Object]) -> None:
    """Refuse a second class that wants to be the default of the cluster."""
    found = default_of(classes) if new.get("globalDefault") else None
    if found is not None and found["metadata"]["name"] != new["metadata"]["name"]:
        why = f"PriorityClass {found['metadata']['name']} is already marked as default. Only one default can exist"
        raise status.forbidden(PRIORITYCLASSES, new["metadata"]["name"], why)


def default_of(classes: Sequence[Object]) -> Object | None:
    """Return the class of pods that name none. Two can only come from a race; then the lower one counts."""
    marked = [each for each in classes if each.get("globalDefault")]
    return min(marked, key=lambda each: int(each["value"]), default=None)


def _forbidden(pod: Object, why: str) -> Exception:
    return status.forbidden(PODS, str(pod["metadata"].get("name") or ""), why)
