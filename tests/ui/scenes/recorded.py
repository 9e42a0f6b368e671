"""What a scene is: what a front end has got from the kernel at one moment, in the shapes of ``core/protocol.ts``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from jupyter_trainjob.client.snapshot import Snapshot
from jupyter_trainjob.widget import picture
from jupyter_trainjob.widget.feed import Feed

Message = tuple[dict[str, Any], list[bytes]]
"""Content and buffers of a custom message; also of the answer to a request."""


@dataclass(frozen=True)
class Recorded:
    """A job that stands still: satisfies `Source`."""

    moment: Snapshot
    columns: dict[str, list[float]] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        return self.moment

    def metrics(self) -> dict[str, list[float]]:
        return self.columns

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def stop(self) -> None: ...


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
        feed = Feed(job, send=lambda *message: messages.append(message), set_state=states.append)
        feed.ready()
        feed.tell()
        messages, states[-1] = _bridge(job.snapshot(), messages), {**_head(job.snapshot()), **states[-1]}
        return cls(
            state=states[-1],
            messages=messages,
            answers=answers or {},
            picture=picture.html(job.snapshot(), job.metrics()),
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


def _head(moment: Snapshot) -> dict[str, Any]:
    return {"uid": moment.uid, "procs_per_node": moment.procs_per_node}


def _bridge(moment: Snapshot, messages: list[Message]) -> list[Message]:
    told: list[Message] = []
    for content, buffers in messages:
        more: dict[str, Any] = {"job": moment.uid}
        if content["kind"] == "log":
            more |= {"skipped": 0, "lines": [[i, *line] for i, line in enumerate(content["lines"])]}
        told.append(({**content, **more}, buffers))
    nodes = {"kind": "nodes", "job": moment.uid, "seq": len(told) + 1, "reset": True}
    return [*told, ({**nodes, "nodes": [asdict(node) for node in moment.pods]}, [])]
