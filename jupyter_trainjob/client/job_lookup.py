"""Find jobs by name or prefix, and take snapshots of them, without the job handle.

The command line needs no handle, whose imports (``fork``, results) take time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Final, Literal

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.client import namespaces
from jupyter_trainjob.client.context import connect, namespace_for
from jupyter_trainjob.client.diagnosis import kueue
from jupyter_trainjob.client.diagnosis.failure import training_container
from jupyter_trainjob.client.live_job import LiveJob
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.client.state.derive import derive_snapshot, derive_state
from jupyter_trainjob.client.state.own_pods import own_pods
from jupyter_trainjob.client.watching.job_follower import TAIL_LINES
from jupyter_trainjob.client.watching.log_buffer import LogBuffer
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.log_lines import parse_lines
from jupyter_trainjob.metrics.telemetry import Telemetry

_APPLIES: Final[dict[str, Callable[[State], bool]]] = {
    "stop": lambda state: not state.finished,
    "resume": lambda state: state is State.STOPPED,
    "delete": lambda _: True,
}
"""Whether an action applies to a job in a state."""


def find_job(name: str, *, context: str | None = None, namespace: str | None = None) -> LiveJob:
    """Return the job of which `queries.get` returns a handle."""
    return _find_jobs(name, context=context, namespace=namespace)[0]


def find_job_to_change(
    action: Literal["stop", "resume", "delete"], name: str, *, context: str | None = None, namespace: str | None = None
) -> LiveJob:
    """Return the only job that `name` can refer to.

    If there are several, those in a state that the action applies to remain. If these are still several, raises
    `errors.UsageError` with their names.
    """
    jobs = _find_jobs(name, context=context, namespace=namespace)
    if len(jobs) > 1:
        jobs = [job for job in jobs if _APPLIES[action](derive_state(job.trainjob, ()))] or jobs
    if len(jobs) > 1:
        names = [job.name for job in jobs]
        raise errors.UsageError(
            f"{name!r} can mean {len(jobs)} jobs.{errors.listed(name, names)} Write the full name of one."
        )
    return jobs[0]


def _find_jobs(name: str, *, context: str | None, namespace: str | None) -> list[LiveJob]:
    """Return the jobs that `name` can refer to, newest first: by name, else by variable, else by prefix."""
    if not isinstance(name, str) or not name.strip():
        raise errors.UsageError(
            f"{name!r} is not the name of a job: write the name or its beginning, such as get('digits'). "
            "list_jobs() lists all jobs."
        )
    connection = connect(context)
    namespace = namespace_for(connection, namespace)
    exact = connection.client.find(TRAINJOBS, name, namespace=namespace)
    if exact is not None:
        return [LiveJob(connection, exact)]
    jobs = newest_first(connection.client.list(TRAINJOBS, namespace=namespace).items)
    names = [str(job["metadata"]["name"]) for job in jobs]
    prefix = name.lower().replace("_", "-")
    matches = [job_name.rpartition("-")[0] == prefix for job_name in names]
    if not any(matches):
        matches = [job_name.startswith(prefix) for job_name in names]
    if any(matches):
        return [LiveJob(connection, job) for job, matching in zip(jobs, matches, strict=True) if matching]
    if not jobs:
        namespaces.check_namespace_exists(connection, namespace)
    raise errors.UsageError(
        f"There is no job {name!r} in {namespace} on {connection.location}.{_nearest(prefix, names)}"
        f"{errors.listed(prefix, names, rest=' (`%trainjob list` shows all)') or ' The namespace has no jobs.'}"
    )


def _nearest(prefix: str, names: Iterable[str]) -> str:
    """Return the nearest job name, complete or without its suffix."""
    whole = list(names)
    return errors.did_you_mean(prefix, [*whole, *(name.rpartition("-")[0] for name in whole)])


def read_snapshot(name: str, *, context: str | None = None, namespace: str | None = None) -> Snapshot:
    """Return the snapshot of one job from its current logs, without following it."""
    job = find_job(name, context=context, namespace=namespace)
    client, record = connect(context).client, Telemetry()
    for frame in connect(context).history.frames(job.uid):
        record.add(frame)
    trainjob = client.get(TRAINJOBS, job.name, namespace=job.namespace)
    labels = f"{JOBSET_NAME}={job.name}"
    pods = own_pods(trainjob, client.list(PODS, namespace=job.namespace, labels=labels).items)
    book = LogBuffer(functools.partial(connect(context).history.newest_lines, job.uid))
    for pod in pods:
        metadata = pod["metadata"]
        try:
            container = training_container(pod)
            lines = client.logs(metadata["name"], namespace=job.namespace, container=container, timestamps=True)
            for line in parse_lines(lines):
                if line.frame is not None:
                    record.add(line.frame)
                else:
                    book.add(metadata["uid"], node_index(pod), line)
        except errors.ApiError:
            continue  # The container has not started, or the pod is being deleted.
    hold = kueue.explain_holds(client, job.namespace, [trainjob]).get(job.uid)
    return derive_snapshot(trainjob, pods, record, context=job.context, hold=hold, log=book.tail(TAIL_LINES))


def list_snapshots(*, context: str | None = None, namespace: str | None = None) -> list[Snapshot]:
    """Return one snapshot per job of a namespace, newest first, from two requests, Kueue's API and the history."""
    connection = connect(context)
    namespace = namespace_for(connection, namespace)
    pods = connection.client.list(PODS, namespace=namespace, labels=JOBSET_NAME).items
    jobs = connection.client.list(TRAINJOBS, namespace=namespace).items
    if not jobs:
        namespaces.check_namespace_exists(connection, namespace)
    holds = kueue.explain_holds(connection.client, namespace, jobs)
    snapshots = []
    for job, mine in with_pods(jobs, pods):
        record = Telemetry()
        for frame in connection.history.newest_frames(job["metadata"]["uid"], known={}):
            record.add(frame)
        hold = holds.get(job["metadata"]["uid"])
        snapshots.append(derive_snapshot(job, mine, record, context=connection.name, hold=hold))
    return snapshots


def with_pods(jobs: Iterable[KubeObject], pods: Iterable[KubeObject]) -> list[tuple[KubeObject, list[KubeObject]]]:
    """Return TrainJobs, newest first, each with those of the `pods` that are its own."""
    by_job: dict[str, list[KubeObject]] = {}
    for pod in pods:
        by_job.setdefault(pod["metadata"]["labels"][JOBSET_NAME], []).append(pod)
    return [(job, own_pods(job, by_job.get(job["metadata"]["name"], ()))) for job in newest_first(jobs)]


def newest_first(jobs: Iterable[KubeObject]) -> list[KubeObject]:
    """Return TrainJobs sorted by their creation, those of one second by name."""
    by_name = sorted(jobs, key=lambda job: str(job["metadata"]["name"]))
    return sorted(by_name, key=lambda job: str(job["metadata"]["creationTimestamp"]), reverse=True)
