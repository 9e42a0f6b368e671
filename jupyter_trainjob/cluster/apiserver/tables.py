"""``meta.k8s.io/v1`` Tables, which ``kubectl get`` requests: the server decides which columns a kind has.

Columns and cell values are those of Kubernetes' printers
(https://github.com/kubernetes/kubernetes/blob/master/pkg/printers/internalversion/printers.go) and of the
additionalPrinterColumns of JobSet and Kubeflow Trainer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from jupyter_trainjob.api import times
from jupyter_trainjob.api.kinds import claims
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
    KubeObject,
    Resource,
)

Cell = Callable[[KubeObject], Any]


class Column(NamedTuple):
    """One column: title, function from object to cell, whether only ``-o wide`` shows it, and its type."""

    title: str
    cell: Cell
    wide: bool = False
    kind: str = "string"


def is_requested(accept: str) -> bool:
    """Return whether an Accept header prefers a Table."""
    first = accept.partition(",")[0].replace(" ", "")
    return "as=Table" in first and "v=v1;" in first + ";" and "g=meta.k8s.io" in first


def build_table(resource: Resource, items: Iterable[KubeObject], version: str, *, include: str) -> KubeObject:
    """Return the Table of objects of one kind; `include` is the query parameter ``includeObject``."""
    columns = _columns(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [{"cells": [column.cell(item) for column in columns], **_included(item, include)} for item in items],
    }


def format_age(stamp: Any, until: Any = None) -> str:
    """Return the time from `stamp` to `until` (default: now) in kubectl's short form."""
    if not stamp:
        return "<unknown>"
    end = times.unix_seconds(until) if until else time.time()
    return times.format_age(end - times.unix_seconds(stamp))


def _columns(resource: Resource) -> list[Column]:
    name = Column("Name", lambda obj: obj["metadata"]["name"])
    age_column = Column("Age", lambda obj: format_age(obj["metadata"].get("creationTimestamp")))
    if resource == EVENTS:
        return [*_COLUMNS[resource], Column("Name", name.cell, wide=True)]
    if resource == PRIORITYCLASSES:
        *first, last = _COLUMNS[resource]
        return [name, *first, age_column, last]
    own = _COLUMNS.get(resource, ())
    narrow = [column for column in own if not column.wide]
    return [name, *narrow, age_column, *(column for column in own if column.wide)]


def _definition(column: Column) -> KubeObject:
    return {
        "name": column.title,
        "type": column.kind,
        "format": "name" if column.title == "Name" else "",
        "description": "",
        "priority": int(column.wide),
    }


def _included(item: KubeObject, include: str) -> KubeObject:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": item}
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
    return {"object": partial}


def _field(path: str, absent: Any = "") -> Cell:
    parts = path.split(".")

    def cell(obj: KubeObject) -> Any:
        value: Any = obj
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        return absent if value is None else value

    return cell


def _container_statuses(pod: KubeObject) -> list[KubeObject]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())


def _pod_ready(pod: KubeObject) -> str:
    ready = sum(bool(container.get("ready")) for container in _container_statuses(pod))
    return f"{ready}/{len(pod['spec'].get('containers') or ())}"


def _pod_restarts(pod: KubeObject) -> str:
    return str(sum(int(container.get("restartCount") or 0) for container in _container_statuses(pod)))


def _pod_status(pod: KubeObject) -> str:
    """Return the status cell of ``printPod``: the reason of a container if there is one, else the phase."""
    pod_status = pod.get("status") or {}
    status = str(pod_status.get("reason") or pod_status.get("phase") or "Unknown")
    initializing = _pod_initializing(pod)
    for container in () if initializing else reversed(_container_statuses(pod)):
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            status = waiting["reason"]
        elif terminated:
            status = _termination_reason(terminated)
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else initializing or status


def _pod_initializing(pod: KubeObject) -> str:
    """Return the status cell of the init container that a pod is waiting for; empty if there is none."""
    containers = pod["spec"].get("initContainers") or ()
    for index, status in enumerate((pod.get("status") or {}).get("initContainerStatuses") or ()):
        state = status.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated")
        sidecar = index < len(containers) and containers[index].get("restartPolicy") == "Always"
        if (terminated and not terminated.get("exitCode")) or (sidecar and status.get("started")):
            continue
        if terminated:
            return f"Init:{_termination_reason(terminated)}"
        reason = waiting.get("reason", "PodInitializing")
        return f"Init:{index}/{len(containers)}" if reason == "PodInitializing" else f"Init:{reason}"
    return ""


def _termination_reason(state: KubeObject) -> str:
    signal = f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"
    return str(state.get("reason") or signal)


def _job_status(job: KubeObject) -> str:
    conditions = (job.get("status") or {}).get("conditions") or ()
    true = {condition["type"] for condition in conditions if condition.get("status") == "True"}
    for kind in ("Complete", "Failed"):
        if kind in true:
            return kind
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if kind in true:
            return kind
    return "Running"


def _job_completions(job: KubeObject) -> str:
    spec, status = job.get("spec") or {}, job.get("status") or {}
    done = status.get("succeeded") or 0
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _job_duration(job: KubeObject) -> str:
    status = job.get("status") or {}
    return format_age(status["startTime"], status.get("completionTime")) if status.get("startTime") else ""


def _containers(field: str, path: str) -> Cell:
    pod_spec = _field(path, {})
    return lambda obj: ",".join(str(entry.get(field, "")) for entry in pod_spec(obj).get("containers") or ())


def _trainjob_state(job: KubeObject) -> str:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return str(conditions[-1]["type"]) if conditions else ""


def _jobset_terminal(jobset: KubeObject) -> str:
    return str((jobset.get("status") or {}).get("terminalState") or "")


def _jobset_completed(jobset: KubeObject) -> str:
    conditions = (jobset.get("status") or {}).get("conditions") or ()
    return next((str(entry["status"]) for entry in conditions if entry["type"] == "Completed"), "")


def _node_status(node: KubeObject) -> str:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((entry["status"] for entry in conditions if entry["type"] == "Ready"), "Unknown")
    words = {"True": "Ready", "False": "NotReady"}
    cordoned = ",SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else ""
    return words.get(ready, "Unknown") + cordoned


def _node_roles(node: KubeObject) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or "<none>"


def _service_ports(service: KubeObject) -> str:
    ports = (service.get("spec") or {}).get("ports") or ()
    return ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>"


def _selector(obj: KubeObject) -> str:
    chosen = (obj.get("spec") or {}).get("selector") or {}
    labels = chosen.get("matchLabels", chosen)
    return ",".join(f"{key}={value}" for key, value in labels.items()) or "<none>"


def _event_object(event: KubeObject) -> str:
    involved = event.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_seen(event: KubeObject) -> str:
    stamp = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    count = event.get("count") or 1
    first = event.get("firstTimestamp")
    return f"{format_age(stamp)} (x{count} over {format_age(first)})" if count > 1 and first else format_age(stamp)


def _claim_status(claim: KubeObject) -> str:
    return "Terminating" if "deletionTimestamp" in claim["metadata"] else str(_field("status.phase")(claim))


def _claim_capacity(claim: KubeObject) -> str:
    return str(_field("status.capacity.storage", "0")(claim)) if claim["spec"].get("volumeName") else ""


def _claim_modes(claim: KubeObject) -> str:
    modes = _field("status.accessModes", ())(claim) if claim["spec"].get("volumeName") else ()
    return ",".join(claims.ACCESS_MODES.get(mode, mode) for mode in modes)


_COLUMNS: Final[dict[Resource, tuple[Column, ...]]] = {
    PODS: (
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _pod_restarts),
        Column("IP", _field("status.podIP", "<none>"), wide=True),
        Column("Node", _field("spec.nodeName", "<none>"), wide=True),
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
        Column("Restarts", _field("status.restarts")),
        Column("Completed", _jobset_completed),
        Column("Suspended", lambda jobset: str(_field("spec.suspend", "")(jobset)).lower()),
    ),
    TRAINJOBS: (Column("State", _trainjob_state),),
    PODGROUPS: (
        Column("Phase", _field("status.phase")),
        Column("MinMember", _field("spec.minMember"), kind="integer"),
        Column("Running", _field("status.running"), kind="integer"),
        Column("Succeeded", _field("status.succeeded"), kind="integer"),
        Column("Failed", _field("status.failed"), kind="integer"),
    ),
    PRIORITYCLASSES: (
        Column("Value", _field("value", 0), kind="integer"),
        Column("Global-Default", _field("globalDefault", absent=False), kind="boolean"),
        Column("PreemptionPolicy", _field("preemptionPolicy")),
    ),
    NODES: (
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        Column("Version", _field("status.nodeInfo.kubeletVersion")),
        Column("OS-Image", _field("status.nodeInfo.osImage", "<unknown>"), wide=True),
        Column("Kernel-Version", _field("status.nodeInfo.kernelVersion", "<unknown>"), wide=True),
    ),
    NAMESPACES: (Column("Status", _field("status.phase")),),
    SERVICES: (
        Column("Type", _field("spec.type", "ClusterIP")),
        Column("Cluster-IP", _field("spec.clusterIP", "<none>")),
        Column("Port(s)", _service_ports),
        Column("Selector", _selector, wide=True),
    ),
    CONFIGMAPS: (Column("Data", lambda obj: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})),),
    SECRETS: (
        Column("Type", _field("type", "Opaque")),
        Column("Data", lambda obj: len(obj.get("data") or {})),
    ),
    PERSISTENTVOLUMECLAIMS: (
        Column("Status", _claim_status),
        Column("Volume", _field("spec.volumeName")),
        Column("Capacity", _claim_capacity),
        Column("Access Modes", _claim_modes),
        Column("StorageClass", _field("spec.storageClassName")),
        Column("VolumeAttributesClass", _field("spec.volumeAttributesClassName", "<unset>")),
        Column("VolumeMode", _field("spec.volumeMode", "<unset>"), wide=True),
    ),
    EVENTS: (
        Column("Last Seen", _event_seen),
        Column("Type", _field("type")),
        Column("Reason", _field("reason")),
        Column("Object", _event_object),
        Column("Message", lambda event: str(event.get("message", "")).strip()),
    ),
}
