"""Which other jobs a job can be compared with: those of its namespace whose reports are kept, the most alike first.

Comes in the TrainJobs of a namespace, goes out what a list to choose from needs. Pure, but for the two requests of
`earlier`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from jupyter_trainjob.api.resources import TRAINJOBS, Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.derive import end_of, state_of
from jupyter_trainjob.client.snapshot import State

MOST = 50


@dataclass(frozen=True, slots=True)
class Earlier:
    """Another job, as a list shows it; times are unix seconds."""

    uid: str
    name: str
    state: State
    created: float
    finished: float | None


def earlier(connection: Connection, trainjob: Object) -> list[Earlier]:
    """Ask for the jobs that `trainjob` can be compared with."""
    others = connection.client.list(TRAINJOBS, namespace=trainjob["metadata"]["namespace"]).items
    return choose(trainjob, others, reported=connection.history.reported())


def choose(trainjob: Object, others: Iterable[Object], *, reported: Collection[str]) -> list[Earlier]:
    """Return those of `others` of which something is `reported` (uids), the most alike first, then the newest."""
    own = trainjob["metadata"]["uid"]
    found = [each for each in others if each["metadata"]["uid"] != own and each["metadata"]["uid"] in reported]
    found.sort(key=lambda each: (alike(trainjob, each), each["metadata"]["creationTimestamp"]), reverse=True)
    return [_row(each) for each in found[:MOST]]


def alike(one: Object, other: Object) -> int:
    """Return in how many respects two jobs are the same: the cell's name counts most, then runtime, then size."""
    return 4 * (_stem(one) == _stem(other)) + 2 * (_runtime(one) == _runtime(other)) + (_size(one) == _size(other))


def _stem(trainjob: Object) -> str:
    """Return the name without what was added to make it unique."""
    return str(trainjob["metadata"]["name"]).rpartition("-")[0] or str(trainjob["metadata"]["name"])


def _runtime(trainjob: Object) -> str:
    return str(trainjob["spec"]["runtimeRef"].get("name"))


def _size(trainjob: Object) -> object:
    return (trainjob["spec"].get("trainer") or {}).get("numNodes")


def _row(trainjob: Object) -> Earlier:
    metadata = trainjob["metadata"]
    state = state_of(trainjob, ())
    return Earlier(metadata["uid"], metadata["name"], state, seconds(metadata["creationTimestamp"]), end_of(trainjob))
