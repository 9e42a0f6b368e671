"""A scene: the messages that a front end has received from the kernel, as in ``core/protocol/messages.ts``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_trainjob.client.reproduce.comparable_jobs import ComparableJob
from jupyter_trainjob.client.reproduce.details import Section
from jupyter_trainjob.client.snapshot import Snapshot
from jupyter_trainjob.client.watching.log_buffer import LogBuffer
from jupyter_trainjob.feed.job_feed import JobFeed
from jupyter_trainjob.feed.request_handlers import READS
from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.rendering import picture
from jupyter_trainjob.rendering.job_source import JobSource
from tests.books import book_of
from tests.ui.scenes.details import sections
from tests.unit.metrics.frames import Rank

NOW = 1_763_900_000.0
"""The time of every scene."""

Message = tuple[dict[str, Any], list[bytes]]
"""Content and buffers of a custom message; also of the answer to a request."""


@dataclass(frozen=True)
class Recorded:
    """A job that does not change: satisfies `JobSource`."""

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

    def log_buffer(self) -> LogBuffer:
        return book_of(self.moment.log)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def on_wait_end(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def sibling(self, uid: str) -> JobSource:
        return self

    def rerun(self) -> tuple[JobSource, list[str]]:
        return self, []

    def details(self) -> list[Section]:
        return sections()

    def comparable_jobs(self) -> list[ComparableJob]:
        return []

    def stop(self) -> None: ...

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
    """The traits, the messages in order, and the answers to requests; others stay pending."""

    state: dict[str, Any]
    messages: list[Message]
    answers: Mapping[str, Message] = field(default_factory=dict)
    kind: str = "job"
    picture: str = ""
    before: dict[str, str] = field(default_factory=dict)
    """The job that the same cell sent before, while it runs."""

    @classmethod
    def of(cls, job: Recorded, *, answers: Mapping[str, Message] | None = None) -> Scene:
        """Record the messages of the kernel to a new front end."""
        messages: list[Message] = []
        states: list[dict[str, Any]] = []
        clock = [0.0]
        feed = JobFeed(
            job,
            send=lambda *message: messages.append(message),
            set_state=states.append,
            clock=lambda: clock[0],
        )
        feed.resend_all()
        while (wait := feed.send_due()) is not None:
            clock[0] += wait
        return cls(
            state={**states[-1], "now": NOW},
            messages=messages,
            answers={"details": READS["details"](job, {}), **(answers or {})},
            picture=picture.render_html(job.snapshot(), job.series()),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it with binary parts as base64."""
        return {
            "kind": self.kind,
            "state": self.state,
            "messages": [_text(message) for message in self.messages],
            "answers": {request: _text(answer) for request, answer in self.answers.items()},
            "picture": self.picture,
            "before": self.before,
        }


def _text(message: Message) -> tuple[dict[str, Any], list[str]]:
    content, buffers = message
    return content, [base64.b64encode(buffer).decode() for buffer in buffers]


def series_of(columns: dict[str, list[float]]) -> Series:
    """Return the columns rank, time, step and each metric as if the ranks had reported them."""
    record = Telemetry()
    for number in sorted(set(columns.get("rank", ()))):
        rank = Rank(int(number))
        rows = [i for i, value in enumerate(columns["rank"]) if value == number]
        for start in range(0, len(rows), 100):
            part = {name: [column[i] for i in rows[start : start + 100]] for name, column in columns.items()}
            times, steps = part.pop("time"), [int(step) for step in part.pop("step")]
            del part["rank"]
            for frame in rank.say("metrics", time=times, step=steps, total=None, metrics=part):
                record.add(frame)
    return Series(record)
