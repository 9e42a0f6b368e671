"""Curves of a job in the middle of its life, with what the kernel answers when somebody looks closer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from jupyter_trainjob.client.earlier import Earlier
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.widget.requests import READS
from jupyter_trainjob.widget.source import Source
from tests.ui.scenes.nodes import node
from tests.ui.scenes.recorded import Message, Recorded, Scene
from tests.ui.scenes.states import HOSTILE, curves, jobs
from tests.unit.metrics.frames import Rank, record_of

START, END = 1000, 1400


@dataclass(frozen=True)
class Compared(Recorded):
    """A job that has predecessors."""

    before: tuple[Recorded, ...] = ()

    def other(self, uid: str) -> Source:
        return next(each for each in self.before if each.uid == uid)

    def earlier(self) -> list[Earlier]:
        return [
            Earlier(each.uid, each.name, each.moment.state, each.moment.created - 86400 * i, each.moment.finished)
            for i, each in enumerate(self.before)
        ]


@dataclass(frozen=True)
class Restarted(Recorded):
    """A job that began anew at step 900 after it had come to step 1,500, and whose loss is no number for a while."""

    def series(self) -> Series:
        first = Rank(attempt=1).say("metrics", **_body(range(0, 1500, 4)))
        return Series(record_of(first, Rank(attempt=2).say("metrics", **_body(range(900, 2600, 4)))))


def _body(steps: range) -> dict[str, Any]:
    loss = [math.nan if 400 <= step < 600 else 2.1 * math.exp(-step / 900) + 0.2 for step in steps]
    return {"time": [1e9 + step / 25 for step in steps], "step": list(steps), "total": 3600, "metrics": {"loss": loss}}


def scenes() -> dict[str, Scene]:
    """Return what there is to see, by name."""
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
    }


def answers(job: Recorded) -> dict[str, Message]:
    """Return an answer of each kind; those of windows under the names that the test gives them."""
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
