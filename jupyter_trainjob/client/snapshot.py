"""`Snapshot`: everything known of a job at one moment, as plain values.

`state.derive` makes it from API objects (TrainJob, pods, events) and the frames of the ranks. Widget, text and command
line draw it; no view sends requests of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from jupyter_trainjob.metrics.node_usage import Gpu, Usage
from jupyter_trainjob.metrics.telemetry import Checkpoint

__all__ = [
    "PHASES",
    "Checkpoint",
    "Failure",
    "Gpu",
    "LogLine",
    "Node",
    "Phase",
    "Rank",
    "Snapshot",
    "State",
    "Status",
    "Usage",
]


class State(str, Enum):
    """The state of a job, in the order of a job's life."""

    QUEUED = "Queued"
    """Known to the API, no pod is placed yet."""
    STARTING = "Starting"
    """Pods are placed; not every program runs."""
    RUNNING = "Running"
    """Every rank runs the cell."""
    STOPPED = "Stopped"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"
    DELETED = "Deleted"

    @property
    def finished(self) -> bool:
        """Whether the job has ended."""
        return self in (State.COMPLETE, State.FAILED, State.DELETED)

    __str__ = str.__str__
    """The word alone, in every Python (before 3.12, `Enum` would print ``State.QUEUED``)."""


class Status(str):
    """The state of a job as a word, with the reason why it is in this state.

    >>> status = Status("Queued", "no node has enough free CPUs")
    >>> status == "Queued", status.reason
    (True, 'no node has enough free CPUs')
    """

    __slots__ = ("reason",)
    reason: str

    def __new__(cls, word: str, reason: str = "") -> Status:
        """Return a state of `State` with its reason."""
        status = super().__new__(cls, word)
        status.reason = reason
        return status

    @classmethod
    def of(cls, snapshot: Snapshot) -> Status:
        """Return the state of a snapshot with its reason."""
        failure = snapshot.failure
        return cls(snapshot.state.value, snapshot.reason if failure is None else failure.headline)

    @property
    def value(self) -> str:
        """Return the state without its reason."""
        return str(self)

    @property
    def finished(self) -> bool:
        """Whether the job has ended."""
        return State(self.value).finished

    def __eq__(self, other: object) -> bool:
        """Return whether this is the same state, as a text or as a `State`."""
        return str.__eq__(self, other) is True

    __hash__ = str.__hash__

    def __repr__(self) -> str:
        """Return the state and its reason."""
        return f"{self}: {self.reason}" if self.reason else str(self)


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a job, with times in unix seconds; phases without known times are omitted."""

    name: str
    """One of `PHASES`; on the embedded cluster, which pulls no images, ``preparing`` instead of ``image``."""
    started: float
    ended: float | None = None


PHASES = ("queued", "scheduling", "image", "starting", "rendezvous", "training")
"""Until pods exist, all of them are placed, all containers run, the first rank runs, every rank runs, the end."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One rank, by its reports."""

    rank: int
    step: int | None = None
    step_time: float | None = None
    """Seconds of a step: the median over about the last 30 seconds."""
    slow: bool = False
    """Clearly slower than most ranks."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a job: its pod, the pod's resource usage, and its ranks."""

    index: int
    pod: str
    """Name of the pod; empty while there is none."""
    host: str
    """Name of the cluster node that runs the pod; empty before it is scheduled."""
    state: str
    """Waiting, Starting, Running, Succeeded, Failed, Stopped or Gone."""
    reason: str = ""
    """Why it is in this state; empty if unknown."""
    restarts: int = 0
    exit_code: int | None = None
    usage: Usage | None = None
    ranks: tuple[Rank, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed."""

    headline: str
    """One line: ``ValueError: Expected input batch_size (32) …``, ``rank 3 was killed (exit code 137)``."""
    rank: int | None = None
    where: str = ""
    """``Cell [12], line 4`` if the cell's own code raised."""
    source: str = ""
    """The source line at `where`."""
    traceback: str = ""
    """The whole traceback of that rank, as text without colours."""
    remedy: str = ""
    """One line: what to do; empty if unknown."""
    first: str = ""
    """One sentence: which of several ranks failed first, and how the others ended."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a rank wrote. `time` in unix seconds."""

    time: float
    rank: int
    text: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One job at one moment."""

    name: str
    namespace: str
    context: str
    state: State
    uid: str = ""
    runtime: str = ""
    nodes: int = 1
    procs_per_node: int = 1
    ranks: int = 1
    """Processes on all nodes together."""
    restarts: int = 0
    """How often the whole job restarted after a failure; the current attempt is ``restarts + 1``."""
    variable: str = ""
    """The notebook variable that the job's cell named."""
    warnings: tuple[str, ...] = ()
    """Probable mistakes, a sentence each: a loss that is NaN, ranks that train alone."""
    reason: str = ""
    """Why it is in this state: ``0/1 nodes are available: 1 Insufficient cpu.``; empty if unknown."""
    phases: tuple[Phase, ...] = ()
    created: float = 0.0
    finished: float | None = None
    step: int | None = None
    total: int | None = None
    """Last step that rank 0 (or the lowest reporting rank) reported, and the total it announced."""
    share: float | None = None
    """The finished share over all ranks, 0..1, where they are not equally far: nodes have ended, or not begun."""
    eta: float | None = None
    """Seconds left, by the recent pace; None while unknown."""
    metrics: dict[str, float] = field(default_factory=dict)
    """The current value of each metric, a mean over ranks, by their first reports (see `metrics.latest_values`)."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The lowest and the highest rank's value of those metrics that several ranks report."""
    ranks_running: int = 0
    """Nodes whose program runs."""
    nodes_done: int = 0
    """Nodes whose program has ended well."""
    pods: tuple[Node, ...] = ()
    """Every node, by index; also those whose pods do not exist yet or any more."""
    failure: Failure | None = None
    checkpoint: Checkpoint | None = None
    """The newest in the job's folder, where there is one."""
    log: tuple[LogLine, ...] = ()
    """The tail of all ranks' logs in time order, without frames (at most 200 lines)."""

    @property
    def progress(self) -> float | None:
        """Return the finished share, 0..1; None while no total is known."""
        if self.state is State.COMPLETE:
            return 1.0
        if self.share is not None:
            return self.share
        if self.step is None or not self.total:
            return None
        return max(0.0, min(1.0, self.step / self.total))
