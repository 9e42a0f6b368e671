"""Metrics do not depend on the order of frames, and small batches are joined."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
import pytest

from jupyter_trainjob.metrics.batches import JOINED_ROWS
from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.metrics.frames import Rank


def life(rank: int, attempt: int, dice: random.Random) -> list[Frame]:
    """Return the frames of one attempt: batches of all sizes, with and without steps, checkpoints and messages."""
    says, frames = Rank(rank, attempt), []
    step = dice.randrange(30)
    rows: list[tuple[float, int | None, float | None, float | None]] = []
    for _ in range(dice.randrange(2, 30)):
        new = []
        for _ in range(dice.choice([1, 1, 2, 3, 40])):
            step += 1
            named = None if dice.random() < 0.1 else step
            loss = None if dice.random() < 0.2 else step / 7
            new.append((1_000.0 * attempt + step, named, loss, 1 / step if dice.random() < 0.3 else None))
        rows += new
        frames += say(says, "metrics", new)
        if dice.random() < 0.1:
            frames += say(says, "history", rows[:: max(1, len(rows) // 5)])
        if dice.random() < 0.2:
            frames += says.say("usage", time=1.0)
    return frames


def say(rank: Rank, kind: str, rows: list[tuple[float, int | None, float | None, float | None]]) -> list[Frame]:
    times, steps, losses, others = ([*column] for column in zip(*rows, strict=True))
    metrics = {"loss": losses, **({"other": others} if any(other is not None for other in others) else {})}
    return rank.say(kind, time=times, step=steps, total=None, metrics=metrics)


def read(frames: Iterable[Frame], *, ask: random.Random | None = None) -> tuple[Telemetry, Series]:
    """Return telemetry and series after all frames; `ask` decides at random when the series is read meanwhile."""
    record = Telemetry()
    series = Series(record)
    for frame in frames:
        record.add(frame)
        if ask is not None and ask.random() < 0.2:
            series.band(ask.choice(["loss", "other"]))
    return record, series


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("lost", [0.0, 0.1], ids=["all frames", "some frames lost"])
def test_metrics_do_not_depend_on_the_order_of_frames(seed: int, lost: float) -> None:
    dice = random.Random(seed)
    frames = [f for rank in range(2) for attempt in range(1, dice.choice([2, 2, 4])) for f in life(rank, attempt, dice)]
    frames = [frame for frame in frames if dice.random() >= lost]
    mixed = frames + [frame for frame in frames if dice.random() < 0.2]
    dice.shuffle(mixed)
    (record, _), (shuffled, series), (plain, late) = read(frames), read(mixed, ask=dice), read(frames, ask=dice)
    for other in (shuffled, plain):
        assert {name: [str(cell) for cell in column] for name, column in sorted(other.columns().items())} == {
            name: [str(cell) for cell in column] for name, column in sorted(record.columns().items())
        }
        assert other.thinned() == record.thinned()
        for rank in record.ranks:
            assert other.step(rank) == record.step(rank)
    for name in ("loss", "other"):
        for mine, theirs in ((series, Series(record)), (late, Series(record))):
            np.testing.assert_allclose(mine.band(name).x, theirs.band(name).x)
            np.testing.assert_allclose(mine.band(name).mean, theirs.band(name).mean)
            np.testing.assert_allclose(mine.band(name).high, theirs.band(name).high)


def test_small_batches_are_joined() -> None:
    rank, record = Rank(), Telemetry()
    for step in range(5_000):
        for frame in rank.report(step + 1, step + 1):
            record.add(frame)
    (lives,) = record.ranks.values()
    assert lives.rows == sum(len(piece.batch) for piece in lives.slices) == 5_000
    assert len(lives.slices) <= 5_000 / JOINED_ROWS + 14
    assert record.columns()["step"] == [*range(1, 5_001)]
    assert Series(record).band("loss", points=20_000).x.tolist() == [*range(1, 5_001)]
    assert len(record.recent(0, 100)) <= 60
    assert record.recent(0, 1e9)[0] == (1.0, 1.0)


def test_rows_since_an_index_are_found_in_joined_batches() -> None:
    rank, record = Rank(), Telemetry()
    for step in range(100):
        for frame in rank.report(step + 1, step + 1):
            record.add(frame)
    (lives,) = record.ranks.values()
    for row in (0, 1, 63, 64, 65, 99, 100):
        steps = [
            piece.batch.step[index] for piece, first in lives.since(row) for index in range(first, len(piece.batch))
        ]
        assert steps == [*range(row + 1, 101)]
