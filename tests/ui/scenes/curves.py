"""Curves of a running job, and the kernel's answers to requests of the curve panel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from jupyter_trainjob.client.reproduce.comparable_jobs import ComparableJob
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.feed.request_handlers import READS
from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.rendering.job_source import JobSource
from tests.ui.scenes.nodes import node
from tests.ui.scenes.recorded import NOW, Message, Recorded, Scene
from tests.ui.scenes.states import HOSTILE, curves, jobs
from tests.unit.metrics.frames import Rank, record_of

START, END = 1000, 1400


@dataclass(frozen=True)
class Compared(Recorded):
    """A job with earlier jobs to compare with."""

    before: tuple[Recorded, ...] = ()

    def sibling(self, uid: str) -> JobSource:
        return next(job for job in self.before if job.uid == uid)

    def comparable_jobs(self) -> list[ComparableJob]:
        return [
            ComparableJob(job.uid, job.name, job.moment.state, job.moment.created - 86400 * i, job.moment.finished)
            for i, job in enumerate(self.before)
        ]


@dataclass(frozen=True)
class Restarted(Recorded):
    """A job that was restarted at step 900 after step 1,500, and whose loss has gaps."""

    def series(self) -> Series:
        first = Rank(attempt=1).say("metrics", **_body(range(0, 1500, 4)))
        return Series(record_of(first, Rank(attempt=2).say("metrics", **_body(range(900, 2600, 4)))))


def _body(steps: range) -> dict[str, Any]:
    broken = {200: math.inf, **dict.fromkeys(range(400, 600), math.nan)}
    loss = [broken.get(step, 2.1 * math.exp(-step / 900) + 0.2) for step in steps]
    return {"time": [1e9 + step / 25 for step in steps], "step": list(steps), "total": 3600, "metrics": {"loss": loss}}


def scenes() -> dict[str, Scene]:
    """Return the scenes by name."""
    running = jobs()["running"]
    before = tuple(
        Recorded(
            replace(running.moment, uid=f"uid-{i}", name=name, state=state, finished=running.moment.created - 9),
            curves(ranks=2, steps=steps, seed=i),
        )
        for i, (name, state, steps) in enumerate(
            [("digits-m3q8d", State.COMPLETE, 3600), (HOSTILE, State.FAILED, 1500)]
        )
    )
    job = Compared(running.moment, running.columns, before)
    many = {
        **running.columns,
        **{f"grad_norm/layer{i}": [10.0**-i * x for x in running.columns["loss"]] for i in range(9)},
        HOSTILE: running.columns["loss"],
    }
    pods = tuple(replace(node(i), restarts=1) for i in range(2))
    again = Restarted(replace(running.moment, pods=pods, nodes=2))
    return {
        "compared": Scene.of(job, answers=answers(job)),
        "restarted": Scene.of(again, answers={"clock": READS["clock"](again, {})}),
        "many": Scene.of(Recorded(replace(running.moment, metrics=dict.fromkeys(list(many)[3:], 0.5)), many)),
        "first-points": Scene.of(jobs()["running-first-points"]),
        "one-point": Scene.of(_short(1)),
        "one-point-of-total": Scene.of(_short(1, total=3600)),
        "no-point": Scene.of(_short(0)),
        "no-point-complete": Scene.of(_short(0, state=State.COMPLETE, finished=NOW)),
        "many-earlier": Scene.of(job, answers={**answers(job), "earlier": _many_earlier(job)}),
    }


def _short(points: int, **changes: Any) -> Recorded:
    """Return a job with few reports."""
    short: dict[str, Any] = {"nodes": 2, "step": None, "total": None, "eta": None, **changes}
    moment = replace(jobs()["running"].moment, **short)
    if points == 0:
        return Recorded(replace(moment, metrics={}))
    report = {"rank": [0.0], "time": [1e9], "step": [7.0], "loss": [0.5]}
    return Recorded(replace(moment, metrics={"loss": 0.5}), report)


def _many_earlier(job: Compared) -> Message:
    """Answer with many earlier jobs."""
    content, buffers = READS["earlier"](job, {})
    first = content["jobs"][0]
    others = [{**first, "uid": f"uid-more-{i}", "name": f"trial-{i:02d}-{i * 7919 % 997}"} for i in range(33)]
    return {**content, "jobs": [*content["jobs"], *others]}, buffers


def answers(job: Recorded) -> dict[str, Message]:
    """Return an answer for each kind of request; those of windows under the names that the test uses."""
    stretch = {"name": "loss", "start": START, "end": END, "points": 1000}
    whole = {"name": "loss", "points": 1000}
    return {
        "window": READS["window"](job, {**stretch, "ranks": None}),
        "window all": READS["window"](job, {**whole, "ranks": "all"}),
        "window some": READS["window"](job, {**whole, "ranks": [0, 3, 5]}),
        "clock": READS["clock"](job, {}),
        "earlier": READS["earlier"](job, {}),
        "pin": READS["pin"](job, {"uid": "uid-0"}),
        "pin hostile": READS["pin"](job, {"uid": "uid-1"}),
        "csv": READS["csv"](job, {"names": None}),
    }
