"""What is known of a job at one moment, as plain values: the one thing that every view draws.

The handle makes it from the API (TrainJob, pods, events) and from the frames of the ranks; widget, text, command line
and the demo's progress draw it. No view asks the API itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from jupyter_trainjob.metrics.record import Checkpoint
from jupyter_trainjob.metrics.usage import Gpu, Usage

__all__ = ["PHASES", "Checkpoint", "Failure", "Gpu", "LogLine", "Node", "Phase", "Rank", "Snapshot", "State", "Usage"]


class State(str, Enum):
    """Where a job is, in one word. The order is the order of life."""

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
        """Whether the job will not go on by itself."""
        return self in (State.COMPLETE, State.FAILED, State.DELETED)


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of a job's life; one of which nothing is known is left out. Times are unix seconds."""

    name: str
    """One of `PHASES`."""
    started: float
    ended: float | None = None


PHASES = ("queued", "scheduling", "image", "starting", "rendezvous", "training")
"""Until pods exist, all of them are placed, all containers run, the first rank runs, every rank runs, the end."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One rank, as its reports show it."""

    rank: int
    step: int | None = None
    step_time: float | None = None
    """Seconds a step takes: the median of about the last 30 seconds."""
    slow: bool = False
    """Clearly slower than most ranks."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a job: its pod, what that uses, and the ranks that it runs."""

    index: int
    pod: str
    """Its name; empty while there is none."""
    host: str
    """Name of the machine that it is placed on; empty before."""
    state: str
    """Waiting, Starting, Running, Succeeded, Failed, Stopped or Gone."""
    reason: str = ""
    """Why it is in this state, where there is something to say."""
    restarts: int = 0
    exit_code: int | None = None
    usage: Usage | None = None
    ranks: tuple[Rank, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed, as far as one can say in a few lines."""

    headline: str
    """One line: ``ValueError: Expected input batch_size (32) …``, ``rank 3 was killed (exit code 137)``."""
    rank: int | None = None
    where: str = ""
    """``Cell [12], line 4`` where the cell is to blame."""
    source: str = ""
    """The source line at `where`."""
    traceback: str = ""
    """The whole traceback of that rank, as text without colours."""
    remedy: str = ""
    """One line: what to do, where that is known."""
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
    """How often the whole job began again after a failure."""
    reason: str = ""
    """Why it is in this state: ``0/1 nodes are available: 1 Insufficient cpu.``; empty if there is nothing to say."""
    phases: tuple[Phase, ...] = ()
    created: float = 0.0
    finished: float | None = None
    step: int | None = None
    total: int | None = None
    """Last step that rank 0 (or the lowest reporting rank) reported, and the total it announced."""
    eta: float | None = None
    """Seconds left, by the recent pace; None while unknown."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Last value of each metric of that rank, in the order of their first report."""
    ranks_running: int = 0
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
        if self.step is None or not self.total:
            return None
        return min(1.0, self.step / self.total)
