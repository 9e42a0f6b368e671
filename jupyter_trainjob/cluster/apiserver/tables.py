"""Tables: what ``kubectl get`` asks for, so that the server decides which columns a kind has.

Objects come in parsed, ``meta.k8s.io/v1`` Tables go out. Columns and their words are those of Kubernetes' printers,
and of the additionalPrinterColumns of JobSet and Kubeflow Trainer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from jupyter_trainjob.api import claims, times
from jupyter_trainjob.api.resources import (
    CONFIGMAPS,
    EVENTS,
    JOBS,
    JOBSETS,
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PODGROUPS,
    PODS,
    PRIORITYCLASSES,
    SECRETS,
    SERVICES,
    TRAINJOBS,
    Object,
    Resource,
)

Cell = Callable[[Object], Any]


class Column(NamedTuple):
    """One column: its title, how its cell is read off an object, and whether only ``-o wide`` shows it."""

    title: str
    cell: Cell
    wide: bool = False
    kind: str = "string"


def wanted(accept: str) -> bool:
    """Return whether a client prefers a Table."""
    first = accept.partition(",")[0].replace(" ", "")
    return "as=Table" in first and "v=v1;" in first + ";" and "g=meta.k8s.io" in first


def table(resource: Resource, items: Iterable[Object], version: str, *, include: str) -> Object:
    """Return the Table of some objects of one kind."""
    columns = _columns(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [{"cells": [column.cell(item) for column in columns], **_included(item, include)} for item in items],
    }


def age(stamp: Any, until: Any = None) -> str:
    """Return how long ago a time was, in kubectl's short form."""
    if not stamp:
        return "<unknown>"
    end = times.seconds(until) if until else time.time()
    return times.age(end - times.seconds(stamp))


def _columns(resource: Resource) -> list[Column]:
    name = Column("Name", lambda obj: obj["metadata"]["name"])
    born = Column("Age", lambda obj: age(obj["metadata"].get("creationTimestamp")))
    if resource == EVENTS:
        return [*_KINDS[resource], Column("Name", name.cell, wide=True)]
    if resource == PRIORITYCLASSES:
        *first, last = _KINDS[resource]
        return [name, *first, born, last]
    own = _KINDS.get(resource, ())
    narrow = [column for column in own if not column.wide]
    return [name, *narrow, born, *(column for column in own if column.wide)]


def _definition(column: Column) -> Object:
    return {
        "name": column.title,
        "type": column.kind,
        "format": "name" if column.title == "Name" else "",
        "description": "",
        "priority": int(column.wide),
    }


def _included(item: Object, include: str) -> Object:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": item}
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
    return {"object": partial}


def _at(path: str, absent: Any = "") -> Cell:
    parts = path.split(".")

    def cell(obj: Object) -> Any:
        found: Any = obj
        for part in parts:
            found = found.get(part) if isinstance(found, dict) else None
        return absent if found is None else found

    return cell


def _statuses(pod: Object) -> list[Object]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())


def _pod_ready(pod: Object) -> str:
    ready = sum(bool(each.get("ready")) for each in _statuses(pod))
    return f"{ready}/{len(pod['spec'].get('containers') or ())}"


def _pod_restarts(pod: Object) -> str:
    return str(sum(int(each.get("restartCount") or 0) for each in _statuses(pod)))


def _pod_status(pod: Object) -> str:
    """Return the word of ``printPod``: the reason of the container that tells most, else the phase."""
    held = pod.get("status") or {}
    word = str(held.get("reason") or held.get("phase") or "Unknown")
    initializing = _pod_initializing(pod)
    for each in () if initializing else reversed(_statuses(pod)):
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            word = waiting["reason"]
        elif ended:
            word = _ended(ended)
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else initializing or word


def _pod_initializing(pod: Object) -> str:
    """Return the word for the init container that a pod has not got beyond, empty if it has none."""
    wanted = pod["spec"].get("initContainers") or ()
    for index, each in enumerate((pod.get("status") or {}).get("initContainerStatuses") or ()):
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        sidecar = index < len(wanted) and wanted[index].get("restartPolicy") == "Always"
        if (ended and not ended.get("exitCode")) or (sidecar and each.get("started")):
            continue
        if ended:
            return f"Init:{_ended(ended)}"
        reason = waiting.get("reason", "PodInitializing")
        return f"Init:{index}/{len(wanted)}" if reason == "PodInitializing" else f"Init:{reason}"
    return ""


def _ended(state: Object) -> str:
    signal = f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"
    return str(state.get("reason") or signal)


def _job_status(job: Object) -> str:
    held = (job.get("status") or {}).get("conditions") or ()
    true = {each["type"] for each in held if each.get("status") == "True"}
    for kind, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if kind in true:
            return word
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if kind in true:
            return kind
    return "Running"


def _job_completions(job: Object) -> str:
    spec, held = job.get("spec") or {}, job.get("status") or {}
    done = held.get("succeeded") or 0
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _job_duration(job: Object) -> str:
    held = job.get("status") or {}
    return age(held["startTime"], held.get("completionTime")) if held.get("startTime") else ""


def _containers(field: str, path: str) -> Cell:
    pod_spec = _at(path, {})
    return lambda obj: ",".join(str(each.get(field, "")) for each in pod_spec(obj).get("containers") or ())


def _trainjob_state(job: Object) -> str:
    held = (job.get("status") or {}).get("conditions") or ()
    return str(held[-1]["type"]) if held else ""


def _jobset_terminal(jobset: Object) -> str:
    return str((jobset.get("status") or {}).get("terminalState") or "")


def _jobset_completed(jobset: Object) -> str:
    held = (jobset.get("status") or {}).get("conditions") or ()
    return next((str(each["status"]) for each in held if each["type"] == "Completed"), "")


def _node_status(node: Object) -> str:
    held = (node.get("status") or {}).get("conditions") or ()
    ready = next((each["status"] for each in held if each["type"] == "Ready"), "Unknown")
    words = {"True": "Ready", "False": "NotReady"}
    cordoned = ",SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else ""
    return words.get(ready, "Unknown") + cordoned


def _node_roles(node: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or "<none>"


def _service_ports(service: Object) -> str:
    ports = (service.get("spec") or {}).get("ports") or ()
    return ",".join(f"{each['port']}/{each.get('protocol', 'TCP')}" for each in ports) or "<none>"


def _selector(obj: Object) -> str:
    chosen = (obj.get("spec") or {}).get("selector") or {}
    labels = chosen.get("matchLabels", chosen)
    return ",".join(f"{key}={value}" for key, value in labels.items()) or "<none>"


def _event_object(event: Object) -> str:
    about = event.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _event_seen(event: Object) -> str:
    stamp = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    count = event.get("count") or 1
    first = event.get("firstTimestamp")
    return f"{age(stamp)} (x{count} over {age(first)})" if count > 1 and first else age(stamp)


def _claim_status(claim: Object) -> str:
    return "Terminating" if "deletionTimestamp" in claim["metadata"] else str(_at("status.phase")(claim))


def _claim_capacity(claim: Object) -> str:
    return str(_at("status.capacity.storage", "0")(claim)) if claim["spec"].get("volumeName") else ""


def _claim_modes(claim: Object) -> str:
    modes = _at("status.accessModes", ())(claim) if claim["spec"].get("volumeName") else ()
    return ",".join(claims.ACCESS_MODES.get(mode, mode) for mode in modes)


_KINDS: Final[dict[Resource, tuple[Column, ...]]] = {
    PODS: (
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _pod_restarts),
        Column("IP", _at("status.podIP", "<none>"), wide=True),
        Column("Node", _at("spec.nodeName", "<none>"), wide=True),
    ),
    JOBS: (
        Column("Status", _job_status),
        Column("Completions", _job_completions),
        Column("Duration", _job_duration),
        Column("Containers", _containers("name", "spec.template.spec"), wide=True),
        Column("Images", _containers("image", "spec.template.spec"), wide=True),
        Column("Selector", _selector, wide=True),
    ),
    JOBSETS: (
        Column("TerminalState", _jobset_terminal),
        Column("Restarts", _at("status.restarts")),
        Column("Completed", _jobset_completed),
        Column("Suspended", lambda jobset: str(_at("spec.suspend", "")(jobset)).lower()),
    ),
    TRAINJOBS: (Column("State", _trainjob_state),),
    PODGROUPS: (
        Column("Phase", _at("status.phase")),
        Column("MinMember", _at("spec.minMember"), kind="integer"),
        Column("Running", _at("status.running"), kind="integer"),
        Column("Succeeded", _at("status.succeeded"), kind="integer"),
        Column("Failed", _at("status.failed"), kind="integer"),
    ),
    PRIORITYCLASSES: (
        Column("Value", _at("value", 0), kind="integer"),
        Column("Global-Default", _at("globalDefault", absent=False), kind="boolean"),
        Column("PreemptionPolicy", _at("preemptionPolicy")),
    ),
    NODES: (
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        Column("Version", _at("status.nodeInfo.kubeletVersion")),
        Column("OS-Image", _at("status.nodeInfo.osImage", "<unknown>"), wide=True),
        Column("Kernel-Version", _at("status.nodeInfo.kernelVersion", "<unknown>"), wide=True),
    ),
    NAMESPACES: (Column("Status", _at("status.phase")),),
    SERVICES: (
        Column("Type", _at("spec.type", "ClusterIP")),
        Column("Cluster-IP", _at("spec.clusterIP", "<none>")),
        Column("Port(s)", _service_ports),
        Column("Selector", _selector, wide=True),
    ),
    CONFIGMAPS: (Column("Data", lambda obj: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})),),
    SECRETS: (
        Column("Type", _at("type", "Opaque")),
        Column("Data", lambda obj: len(obj.get("data") or {})),
    ),
    PERSISTENTVOLUMECLAIMS: (
        Column("Status", _claim_status),
        Column("Volume", _at("spec.volumeName")),
        Column("Capacity", _claim_capacity),
        Column("Access Modes", _claim_modes),
        Column("StorageClass", _at("spec.storageClassName")),
        Column("VolumeAttributesClass", _at("spec.volumeAttributesClassName", "<unset>")),
        Column("VolumeMode", _at("spec.volumeMode", "<unset>"), wide=True),
    ),
    EVENTS: (
        Column("Last Seen", _event_seen),
        Column("Type", _at("type")),
        Column("Reason", _at("reason")),
        Column("Object", _event_object),
        Column("Message", lambda event: str(event.get("message", "")).strip()),
    ),
}
