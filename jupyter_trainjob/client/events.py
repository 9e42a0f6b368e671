"""What the cluster says about a job: the Events of its TrainJob and of all that was made of it.

Pods and Jobs that are gone left their events behind, so the names are reckoned from the JobSet, not from what there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, EVENTS, JOBSETS, TRAININGRUNTIMES, Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.client.causes import Warned
from jupyter_trainjob.kube.client import Client

_POD = re.compile(r"-\d+(-[a-z0-9]+)?")
"""What a Job adds to its name for a pod: the completion index, and a suffix."""


def of(client: Client, trainjob: Object, *, fields: str = "") -> list[dict[str, Any]]:
    """Return the events of a job as plain values, oldest first; `fields` selects among them."""
    name, namespace = trainjob["metadata"]["name"], trainjob["metadata"]["namespace"]
    jobset = client.find(JOBSETS, name, namespace=namespace)
    spec = jobset["spec"] if jobset is not None else _runtime_spec(client, trainjob)
    found = client.list(EVENTS, namespace=namespace, fields=fields or None).items
    return described(found, trainjob, jobs=job_names(name, spec))


def last_warning(client: Client, trainjob: Object) -> Warned | None:
    """Return the newest Warning about a job, or what was made of it; None if there is none."""
    found = of(client, trainjob, fields="type=Warning")
    return Warned(str(found[-1]["reason"]), str(found[-1]["message"])) if found else None


def job_names(jobset: str, spec: Object) -> list[str]:
    """Return the names of the Jobs that a JobSet with this spec makes."""
    return [
        f"{jobset}-{job['name']}-{index}"
        for job in spec.get("replicatedJobs") or ()
        for index in range(job.get("replicas", 1))
    ]


def _runtime_spec(client: Client, trainjob: Object) -> Object:
    """Return what the JobSet was made from: a job that passed its deadline has none any more."""
    reference = trainjob["spec"]["runtimeRef"]
    namespace = trainjob["metadata"]["namespace"]
    resource, where = (
        (TRAININGRUNTIMES, namespace)
        if reference.get("kind") == TRAININGRUNTIMES.kind
        else (CLUSTERTRAININGRUNTIMES, None)
    )
    runtime = client.find(resource, reference["name"], namespace=where)
    return dict(runtime["spec"]["template"]["spec"]) if runtime is not None else {}


def described(events: Iterable[Object], trainjob: Object, *, jobs: list[str]) -> list[dict[str, Any]]:
    """Return those of `events` that are about the job, oldest first. Those of an earlier job of its name are not."""
    since = seconds(trainjob["metadata"]["creationTimestamp"])
    # The API's times have whole seconds; among those of one second the later write has the greater version.
    events = sorted(events, key=lambda event: (len(version := event["metadata"]["resourceVersion"]), version))
    rows = [_row(event) for event in events if _is_about(event["involvedObject"], trainjob["metadata"]["name"], jobs)]
    return [row for row in sorted(rows, key=lambda row: float(row["time"])) if row["time"] >= since]


def _is_about(involved: Object, name: str, jobs: list[str]) -> bool:
    kind, about = involved.get("kind"), str(involved.get("name"))
    if kind in ("TrainJob", "JobSet", "PodGroup"):
        return about == name
    if kind == "Job":
        return about in jobs
    return kind == "Pod" and any(about.startswith(job) and _POD.fullmatch(about[len(job) :]) for job in jobs)


def _row(event: Object) -> dict[str, Any]:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    stamp = next((time for time in times if time), event["metadata"]["creationTimestamp"])
    involved = event["involvedObject"]
    return {
        "time": seconds(stamp),
        "object": f"{involved.get('kind')}/{involved.get('name')}",
        "type": event.get("type") or "Normal",
        "reason": event.get("reason") or "",
        "message": event.get("message") or "",
        "count": int(series.get("count") or event.get("count") or 1),
    }
