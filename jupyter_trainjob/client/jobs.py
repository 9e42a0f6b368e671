"""Finding jobs: by name, by how their name begins, or all of a namespace."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, Object
from jupyter_trainjob.client.context import connect, namespace_for
from jupyter_trainjob.client.derive import derive
from jupyter_trainjob.client.failure import training_container
from jupyter_trainjob.client.follow import TAIL
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.client.logbook import LogBook
from jupyter_trainjob.client.snapshot import Snapshot
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.loglines import parse
from jupyter_trainjob.metrics.record import Record


def get(name: str, *, context: str | None = None, namespace: str | None = None) -> TrainJob:
    """Return the job called `name`, else the newest whose name begins with it.

    Raises `errors.UsageError`, naming the newest jobs there are, if there is none.
    """
    connection = connect(context)
    namespace = namespace_for(connection, namespace)
    exact = connection.client.find(TRAINJOBS, name, namespace=namespace) if name else None
    if exact is not None:
        return TrainJob(connection, exact)
    jobs = _newest_first(connection.client.list(TRAINJOBS, namespace=namespace).items)
    prefix = name.lower().replace("_", "-")
    for job in jobs:
        if job["metadata"]["name"].startswith(prefix):
            return TrainJob(connection, job)
    there = ", ".join(job["metadata"]["name"] for job in jobs[:5]) or "no job at all"
    raise errors.UsageError(f"There is no job {name!r} in {namespace} on {connection.name}. There is: {there}.")


def look(name: str, *, context: str | None = None, namespace: str | None = None) -> Snapshot:
    """Return all that is known of one job now, from its logs as far as they are written; nothing is followed after."""
    job = get(name, context=context, namespace=namespace)
    client, record = connect(context).client, Record()
    for frame in connect(context).history.frames(job.uid):
        record.add(frame)
    pods = client.list(PODS, namespace=job.namespace, labels=f"{JOBSET_NAME}={job.name}").items
    book = LogBook(functools.partial(connect(context).history.newest, job.uid))
    for pod in pods:
        metadata = pod["metadata"]
        try:
            container = training_container(pod)
            lines = client.logs(metadata["name"], namespace=job.namespace, container=container, timestamps=True)
            for line in parse(lines):
                if line.frame is not None:
                    record.add(line.frame)
                else:
                    book.add(metadata["uid"], node_index(pod), line)
        except errors.ApiError:
            continue  # It has not begun, or is going.
    trainjob = client.get(TRAINJOBS, job.name, namespace=job.namespace)
    return derive(trainjob, pods, record, context=job.context, log=book.tail(TAIL))


def list_jobs(*, context: str | None = None, namespace: str | None = None) -> list[TrainJob]:
    """Return the jobs of a namespace, newest first."""
    connection = connect(context)
    items = connection.client.list(TRAINJOBS, namespace=namespace_for(connection, namespace)).items
    return [TrainJob(connection, job) for job in _newest_first(items)]


def overview(*, context: str | None = None, namespace: str | None = None) -> list[Snapshot]:
    """Return one snapshot per job of a namespace, newest first, from two requests and the kept history."""
    connection = connect(context)
    namespace = namespace_for(connection, namespace)
    pods = connection.client.list(PODS, namespace=namespace, labels=JOBSET_NAME).items
    snapshots = []
    for job, mine in with_pods(connection.client.list(TRAINJOBS, namespace=namespace).items, pods):
        record = Record()
        for frame in connection.history.frames(job["metadata"]["uid"]):
            record.add(frame)
        snapshots.append(derive(job, mine, record, context=connection.name))
    return snapshots


def with_pods(jobs: Iterable[Object], pods: Iterable[Object]) -> list[tuple[Object, list[Object]]]:
    """Return TrainJobs, newest first, each with those of the `pods` that are its own."""
    by_job: dict[str, list[Object]] = {}
    for pod in pods:
        by_job.setdefault(pod["metadata"]["labels"][JOBSET_NAME], []).append(pod)
    return [(job, by_job.get(job["metadata"]["name"], [])) for job in _newest_first(jobs)]


def _newest_first(jobs: Iterable[Object]) -> list[Object]:
    return sorted(jobs, key=lambda job: str(job["metadata"]["creationTimestamp"]), reverse=True)
