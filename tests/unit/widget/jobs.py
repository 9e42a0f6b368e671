"""Jobs for views: snapshots, metrics, and a source that a test controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client.reproduce.comparable_jobs import ComparableJob
from jupyter_trainjob.client.reproduce.details import Section
from jupyter_trainjob.client.snapshot import LogLine, Phase, Snapshot, State
from jupyter_trainjob.client.watching.log_buffer import LogBuffer
from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.metrics.telemetry import Telemetry
from tests.books import book_of, stored_line
from tests.unit.metrics.frames import Rank

HOSTILE = '<img src=x onerror="pwned=1"><script>pwned=1</script>\x1b[31m\x1b]0;title\x07\u202e'
PHASES = (Phase("queued", 100.0, 100.5), Phase("training", 100.5))


def running(**changes: Any) -> Snapshot:
    """Return the snapshot of a running job, with changes."""
    base = Snapshot(
        name="digits-x7k2p",
        namespace="default",
        context="trainjob-local",
        state=State.RUNNING,
        uid="uid-1",
        runtime="torch-distributed",
        nodes=8,
        phases=PHASES,
        created=100.0,
        step=2592,
        total=3600,
        eta=41.0,
        metrics={"loss": 0.184, "accuracy": 0.962},
        ranks_running=8,
    )
    return replace(base, **changes)


def columns(*rows: tuple[float, float, float, float]) -> dict[str, list[float]]:
    """Return rows of (rank, time, step, loss) as columns."""
    names = ("rank", "time", "step", "loss")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def lines(*texts: str, start: float = 1.0) -> tuple[LogLine, ...]:
    """Return log lines a second apart."""
    return tuple(LogLine(start + i, i % 8, text) for i, text in enumerate(texts))


def series_of(table: dict[str, list[float]]) -> Series:
    """Return a table of reports by rank as series; NaN is a reported value, None is not reported."""
    ranks: dict[int, Rank] = {}
    record = Telemetry()
    names = [name for name in table if name not in ("rank", "time", "step")]
    for values in zip(*table.values(), strict=True):
        row = dict(zip(table, values, strict=True))
        rank = ranks.setdefault(int(row["rank"]), Rank(int(row["rank"])))
        metrics = {name: [row[name]] for name in names}
        for frame in rank.say("metrics", time=[row["time"]], step=[row["step"]], total=None, metrics=metrics):
            record.add(frame)
    return Series(record)


class FakeJob:
    """A `JobSource` whose snapshot, metrics and log a test sets."""

    def __init__(self, snapshot: Snapshot | None = None, series: dict[str, list[float]] | None = None) -> None:
        self.now = snapshot or running()
        self.columns = series or {}
        self.book = book_of(self.now.log)
        self.callbacks: list[Callable[[], None]] = []
        self.over: list[Callable[[], None]] = []
        self.actions: list[str] = []
        self.others: dict[str, FakeJob] = {}
        self.error: Exception | None = None

    @property
    def uid(self) -> str:
        return self.now.uid

    @property
    def name(self) -> str:
        return self.now.name

    def snapshot(self) -> Snapshot:
        return self.now

    def series(self) -> Series:
        return series_of(self.columns)

    def comparable_jobs(self) -> list[ComparableJob]:
        return [ComparableJob(uid, job.name, job.now.state, 1.0, None) for uid, job in self.others.items()]

    def log_buffer(self) -> LogBuffer:
        """Return the log buffer, with the new lines of the snapshot."""
        new = self.now.log[self.book.number :]
        for line in new:
            self.book.add(*stored_line(line))
        return self.book

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def sibling(self, uid: str) -> FakeJob:
        if uid not in self.others:
            raise errors.UsageError("It was deleted.")
        return self.others[uid]

    def stop(self) -> None:
        self._act("stop")

    def resume(self) -> None:
        self._act("resume")

    def delete(self) -> None:
        self._act("delete")

    def rerun(self) -> tuple[FakeJob, list[str]]:
        self._act("rerun")
        new = FakeJob(replace(self.now, uid="uid-2", name="digits-again"))
        self.others[new.uid] = new
        return new, [f"numpy is 2.4 now{HOSTILE}"]

    def details(self) -> list[Section]:
        return [Section("Values", [("lr", "float", "12 B", "0.1\x1b[31m")])]

    def on_wait_end(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.over.append(callback)
        return lambda: self.over.remove(callback)

    def to_magic(self) -> str:
        return "%%trainjob digits --nodes 8\n1"

    def to_yaml(self) -> str:
        return "kind: TrainJob"

    def to_sdk(self) -> str:
        return "client.train()"

    def _act(self, action: str) -> None:
        """Record an action, and raise `error` if it is set."""
        self.actions.append(action)
        if self.error is not None:
            raise self.error

    def change(self, **changes: Any) -> None:
        """Change the snapshot and call the subscribers."""
        self.now = replace(self.now, **changes)
        for callback in list(self.callbacks):
            callback()
