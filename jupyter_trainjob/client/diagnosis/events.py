"""Read the Events of a TrainJob and of its JobSet, Jobs and pods.

Events outlive deleted pods and Jobs, so the names are computed from the JobSet's spec, not from existing objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, EVENTS, JOBSETS, TRAININGRUNTIMES, KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.client.diagnosis.kubernetes_reasons import WarningEvent
from jupyter_trainjob.kube.client import Client

_POD = re.compile(r"-\d+(-[a-z0-9]+)?")
"""The suffix of a pod's name after the name of its Job: the completion index and random characters."""
_NULL_METADATA = 'template.metadata: Invalid value: "null"'


def list_events(client: Client, trainjob: KubeObject, *, fields: str = "") -> list[dict[str, Any]]:
    """Return the events of a job as plain values, oldest first; `fields` is a field selector."""
    name, namespace = trainjob["metadata"]["name"], trainjob["metadata"]["namespace"]
    jobset = client.find(JOBSETS, name, namespace=namespace)
    spec = jobset["spec"] if jobset is not None else _runtime_spec(client, trainjob)
    events = client.list(EVENTS, namespace=namespace, fields=fields or None).items
    return select_events(events, trainjob, jobs=child_job_names(name, spec))


MAX_JOBS = 1_000
"""Limit for the Jobs of a replicated job whose events are selected."""


def last_warning(client: Client, trainjob: KubeObject) -> WarningEvent | None:
    """Return the newest Warning about a job or its child objects; None if there is none."""
    warnings = [event for event in list_events(client, trainjob, fields="type=Warning") if not is_false_alarm(event)]
    return WarningEvent(str(warnings[-1]["reason"]), str(warnings[-1]["message"])) if warnings else None


def is_false_alarm(event: dict[str, Any]) -> bool:
    """Whether a Warning is harmless: Trainer fails to clear the pod template of a job that Kueue has preempted."""
    return event["reason"] == "TrainJobResourcesCreationFailed" and _NULL_METADATA in event["message"]


def child_job_names(jobset: str, spec: KubeObject) -> list[str]:
    """Return the names of the Jobs that a JobSet with this spec creates.

    >>> child_job_names("a", {"replicatedJobs": [{"name": "node", "replicas": 2}]})
    ['a-node-0', 'a-node-1']
    """
    return [
        f"{jobset}-{job['name']}-{index}"
        for job in spec.get("replicatedJobs") or ()
        for index in range(min(job.get("replicas", 1), MAX_JOBS))
    ]


def _runtime_spec(client: Client, trainjob: KubeObject) -> KubeObject:
    """Return the JobSet spec of the runtime, for a job whose JobSet was deleted after its deadline."""
    reference = trainjob["spec"]["runtimeRef"]
    namespace = trainjob["metadata"]["namespace"]
    resource, runtime_namespace = (
        (TRAININGRUNTIMES, namespace)
        if reference.get("kind") == TRAININGRUNTIMES.kind
        else (CLUSTERTRAININGRUNTIMES, None)
    )
    runtime = client.find(resource, reference["name"], namespace=runtime_namespace)
    return dict(runtime["spec"]["template"]["spec"]) if runtime is not None else {}


def select_events(events: Iterable[KubeObject], trainjob: KubeObject, *, jobs: list[str]) -> list[dict[str, Any]]:
    """Return those of `events` that concern the job, oldest first; not those of an earlier job with its name."""
    since = unix_seconds(trainjob["metadata"]["creationTimestamp"])
    # Event times have a resolution of one second; within a second, the resource version gives the order.
    events = sorted(events, key=lambda event: (len(version := event["metadata"]["resourceVersion"]), version))
    rows = [
        _event_fields(event)
        for event in events
        if _is_about(event["involvedObject"], trainjob["metadata"]["name"], jobs)
    ]
    return [row for row in sorted(rows, key=lambda row: float(row["time"])) if row["time"] >= since]


def _is_about(involved: KubeObject, name: str, jobs: list[str]) -> bool:
    kind, involved_name = involved.get("kind"), str(involved.get("name"))
    if kind in ("TrainJob", "JobSet", "PodGroup"):
        return involved_name == name
    if kind == "Job":
        return involved_name in jobs
    return kind == "Pod" and any(
        involved_name.startswith(job) and _POD.fullmatch(involved_name[len(job) :]) for job in jobs
    )


def _event_fields(event: KubeObject) -> dict[str, Any]:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    stamp = next((time for time in times if time), event["metadata"]["creationTimestamp"])
    involved = event["involvedObject"]
    return {
        "time": unix_seconds(stamp),
        "object": f"{involved.get('kind')}/{involved.get('name')}",
        "type": event.get("type") or "Normal",
        "reason": event.get("reason") or "",
        "message": event.get("message") or "",
        "count": int(series.get("count") or event.get("count") or 1),
    }
