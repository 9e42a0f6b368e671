"""Frames as ranks write them, for tests of their readers."""

from __future__ import annotations

import json
from typing import Any

from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.worker.protocol import Frame, decode, encode


class Rank:
    """Writes frames as a rank does."""

    def __init__(self, rank: int = 0, attempt: int = 1) -> None:
        self.rank, self.attempt, self.seq = rank, attempt, 0

    def say(self, kind: str, **body: Any) -> list[Frame]:
        text = json.dumps(body, separators=(",", ":")).encode()
        lines = encode(attempt=self.attempt, rank=self.rank, seq=self.seq, kind=kind, body=text)
        self.seq += len(lines)
        frames = [decode(line.strip(b"\n")) for line in lines]
        assert all(frames)
        return [frame for frame in frames if frame]

    def report(self, first: int, last: int, total: int | None = None) -> list[Frame]:
        steps = list(range(first, last + 1))
        loss = {"loss": [1 / step for step in steps]}
        return self.say("metrics", time=[float(step) for step in steps], step=steps, total=total, metrics=loss)


def record_of(*groups: list[Frame]) -> Telemetry:
    record = Telemetry()
    for group in groups:
        for frame in group:
            record.add(frame)
    return record
