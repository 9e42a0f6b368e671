"""What a scene is: what a front end has got from the kernel at one moment, in the shapes of ``core/protocol.ts``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_trainjob.client.details import Section
from jupyter_trainjob.client.earlier import Earlier
from jupyter_trainjob.client.logbook import LogBook
from jupyter_trainjob.client.snapshot import Snapshot
from jupyter_trainjob.metrics.record import Record
from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.widget import picture
from jupyter_trainjob.widget.feed import Feed
from jupyter_trainjob.widget.requests import READS
from jupyter_trainjob.widget.source import Source
from tests.books import book_of
from tests.ui.scenes.details import sections
from tests.unit.metrics.frames import Rank

NOW = 1_763_900_000.0
"""The one moment at which every scene is looked at."""

Message = tuple[dict[str, Any], list[bytes]]
"""Content and buffers of a custom message; also of the answer to a request."""


@dataclass(frozen=True)
class Recorded:
    """A job that stands still: satisfies `Source`."""

    moment: Snapshot
    columns: dict[str, list[float]] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        return self.moment.uid

    @property
    def name(self) -> str:
        return self.moment.name

    def snapshot(self) -> Snapshot:
        return self.moment

    def series(self) -> Series:
        return series_of(self.columns)

    def logbook(self) -> LogBook:
        return book_of(self.moment.log)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def on_over(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def other(self, uid: str) -> Source:
        return self

    def again(self) -> tuple[Source, list[str]]:
        return self, []

    def details(self) -> list[Section]:
        return sections()

    def earlier(self) -> list[Earlier]:
        return []

    def halt(self) -> None: ...

    def resume(self) -> None: ...

    def delete(self) -> None: ...

    def to_magic(self) -> str:
        return "%%trainjob digits --nodes 8\n1"

    def to_yaml(self) -> str:
        return "kind: TrainJob\n"

    def to_sdk(self) -> str:
        return "client.train()"


@dataclass(frozen=True)
class Scene:
    """The traits, the messages in order, and how requests are answered; those that are not, wait for ever."""

    state: dict[str, Any]
    messages: list[Message]
    answers: Mapping[str, Message] = field(default_factory=dict)
    kind: str = "job"
    picture: str = ""

    @classmethod
    def of(cls, job: Recorded, *, answers: Mapping[str, Message] | None = None) -> Scene:
        """Record what the kernel tells a front end that has just come."""
        messages: list[Message] = []
        states: list[dict[str, Any]] = []
        clock = [0.0]
        feed = Feed(
            job,
            send=lambda *message: messages.append(message),
            set_state=states.append,
            clock=lambda: clock[0],
        )
        feed.ready()
        while (wait := feed.tell()) is not None:
            clock[0] += wait
        return cls(
            state={**states[-1], "now": NOW},
            messages=messages,
            answers={"details": READS["details"](job, {}), **(answers or {})},
            picture=picture.html(job.snapshot(), job.series()),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it with binary parts as base64."""
        return {
            "kind": self.kind,
            "state": self.state,
            "messages": [_text(message) for message in self.messages],
            "answers": {what: _text(answer) for what, answer in self.answers.items()},
            "picture": self.picture,
        }


def _text(message: Message) -> tuple[dict[str, Any], list[str]]:
    content, buffers = message
    return content, [base64.b64encode(buffer).decode() for buffer in buffers]


def series_of(columns: dict[str, list[float]]) -> Series:
    """Return the columns rank, time, step and each metric as if the ranks had reported them."""
    record = Record()
    for number in sorted(set(columns.get("rank", ()))):
        rank = Rank(int(number))
        rows = [i for i, each in enumerate(columns["rank"]) if each == number]
        for start in range(0, len(rows), 100):
            part = {name: [column[i] for i in rows[start : start + 100]] for name, column in columns.items()}
            times, steps = part.pop("time"), [int(step) for step in part.pop("step")]
            del part["rank"]
            for frame in rank.say("metrics", time=times, step=steps, total=None, metrics=part):
                record.add(frame)
    return Series(record)
