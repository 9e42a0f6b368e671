"""Find the jobs of a namespace that a job can be compared with, the most similar first.

Pure, except for the two requests of `find_comparable`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from jupyter_trainjob.api.resources import TRAINJOBS, KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.client.state.derive import derive_state, end_time

MOST = 50


@dataclass(frozen=True, slots=True)
class ComparableJob:
    """Another job, as a list shows it; times are unix seconds."""

    uid: str
    name: str
    state: State
    created: float
    finished: float | None


def find_comparable(connection: Connection, trainjob: KubeObject) -> list[ComparableJob]:
    """Query the jobs that `trainjob` can be compared with."""
    others = connection.client.list(TRAINJOBS, namespace=trainjob["metadata"]["namespace"]).items
    return choose(trainjob, others, reported=connection.history.jobs_with_frames())


def choose(trainjob: KubeObject, others: Iterable[KubeObject], *, reported: Collection[str]) -> list[ComparableJob]:
    """Return those of `others` with metrics (uids in `reported`), the most similar first, then the newest."""
    own = trainjob["metadata"]["uid"]
    candidates = [job for job in others if job["metadata"]["uid"] != own and job["metadata"]["uid"] in reported]
    candidates.sort(key=lambda job: (alike(trainjob, job), job["metadata"]["creationTimestamp"]), reverse=True)
    return [_row(job) for job in candidates[:MOST]]


def alike(one: KubeObject, other: KubeObject) -> int:
    """Return a similarity score of two jobs: the cell's name counts most, then runtime, then size."""
    return 4 * (_stem(one) == _stem(other)) + 2 * (_runtime(one) == _runtime(other)) + (_size(one) == _size(other))


def _stem(trainjob: KubeObject) -> str:
    """Return the name without its generated suffix."""
    return str(trainjob["metadata"]["name"]).rpartition("-")[0] or str(trainjob["metadata"]["name"])


def _runtime(trainjob: KubeObject) -> str:
    return str(trainjob["spec"]["runtimeRef"].get("name"))


def _size(trainjob: KubeObject) -> object:
    return (trainjob["spec"].get("trainer") or {}).get("numNodes")


def _row(trainjob: KubeObject) -> ComparableJob:
    metadata = trainjob["metadata"]
    state = derive_state(trainjob, ())
    return ComparableJob(
        metadata["uid"], metadata["name"], state, unix_seconds(metadata["creationTimestamp"]), end_time(trainjob)
    )
