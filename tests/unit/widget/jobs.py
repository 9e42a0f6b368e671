"""Jobs for views to draw: a source that a test moves by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client.details import Section
from jupyter_trainjob.client.earlier import Earlier
from jupyter_trainjob.client.logbook import LogBook
from jupyter_trainjob.client.snapshot import LogLine, Phase, Snapshot, State
from jupyter_trainjob.metrics.record import Record
from jupyter_trainjob.metrics.series import Series
from tests.books import book_of, kept
from tests.unit.metrics.frames import Rank

HOSTILE = '<img src=x onerror="pwned=1"><script>pwned=1</script>\x1b[31m\x1b]0;title\x07\u202e'
PHASES = (Phase("queued", 100.0, 100.5), Phase("training", 100.5))


def running(**changes: Any) -> Snapshot:
    """Return a job in the middle of its life, with changes."""
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
    """Return what `table` says, as if the ranks had reported it; nan is reported as it is, None is not."""
    ranks: dict[int, Rank] = {}
    record = Record()
    names = [name for name in table if name not in ("rank", "time", "step")]
    for values in zip(*table.values(), strict=True):
        row = dict(zip(table, values, strict=True))
        rank = ranks.setdefault(int(row["rank"]), Rank(int(row["rank"])))
        metrics = {name: [row[name]] for name in names}
        for frame in rank.say("metrics", time=[row["time"]], step=[row["step"]], total=None, metrics=metrics):
            record.add(frame)
    return Series(record)


class FakeJob:
    """A `Source` that does as it is told."""

    def __init__(self, snapshot: Snapshot | None = None, series: dict[str, list[float]] | None = None) -> None:
        self.now = snapshot or running()
        self.columns = series or {}
        self.book = book_of(self.now.log)
        self.callbacks: list[Callable[[], None]] = []
        self.over: list[Callable[[], None]] = []
        self.deeds: list[str] = []
        self.others: dict[str, FakeJob] = {}
        self.refusal: Exception | None = None

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

    def earlier(self) -> list[Earlier]:
        return [Earlier(uid, job.name, job.now.state, 1.0, None) for uid, job in self.others.items()]

    def logbook(self) -> LogBook:
        """Return a book that takes over what is new in the snapshot."""
        new = self.now.log[self.book.number :]
        for line in new:
            self.book.add(*kept(line))
        return self.book

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def other(self, uid: str) -> FakeJob:
        if uid not in self.others:
            raise errors.UsageError("It was deleted.")
        return self.others[uid]

    def halt(self) -> None:
        self.do("stop")

    def resume(self) -> None:
        self.do("resume")

    def delete(self) -> None:
        self.do("delete")

    def again(self) -> tuple[FakeJob, list[str]]:
        self.do("rerun")
        again = FakeJob(replace(self.now, uid="uid-2", name="digits-again"))
        self.others[again.uid] = again
        return again, [f"numpy is 2.4 now{HOSTILE}"]

    def details(self) -> list[Section]:
        return [Section("Values", [("lr", "float", "12 B", "0.1\x1b[31m")])]

    def on_over(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.over.append(callback)
        return lambda: self.over.remove(callback)

    def to_magic(self) -> str:
        return "%%trainjob digits --nodes 8\n1"

    def to_yaml(self) -> str:
        return "kind: TrainJob"

    def to_sdk(self) -> str:
        return "client.train()"

    def do(self, deed: str) -> None:
        """Note that something was asked, and do it or not."""
        self.deeds.append(deed)
        if self.refusal is not None:
            raise self.refusal

    def change(self, **changes: Any) -> None:
        """Become another snapshot, and say so."""
        self.now = replace(self.now, **changes)
        for callback in list(self.callbacks):
            callback()
