"""``report()``: what it takes, what it refuses, what it costs, and what becomes of a hundred thousand calls."""

from __future__ import annotations

import itertools
import json
import math
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_trainjob.worker import report as module
from jupyter_trainjob.worker.protocol import Assembler, Message, decode, dumps, loads
from jupyter_trainjob.worker.report import ROWS_LIMIT, Row, report
from jupyter_trainjob.worker.speaker import BATCHES_BYTES, CHECKPOINT_BYTES, CHECKPOINTS_LIMIT, Speaker, allowance
from jupyter_trainjob.worker.thinning import columns, thin


@pytest.fixture
def rows() -> Iterator[list[Row]]:
    found: list[Row] = []
    module.attach(found)
    yield found
    module.detach()


class Scalar:
    """What torch and NumPy have in common."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)


def test_outside_a_job_it_does_nothing() -> None:
    report(step=1, loss=0.5)
    report(loss=object())  # type: ignore[arg-type]


def test_values_are_taken_at_once(rows: list[Row]) -> None:
    loss = Scalar(0.5)
    report(step=1, total=10, loss=loss, accuracy=1, done=True)
    loss.value = 7
    report()
    assert [row[1:] for row in rows] == [(1, 10, {"loss": 0.5, "accuracy": 1.0, "done": 1.0}), (None, None, {})]
    assert abs(rows[0][0] - time.time()) < 60


def test_steps_may_be_numbers_of_any_kind(rows: list[Row]) -> None:
    report(step=Scalar(3), total=Scalar(4))
    report(step=0.5)
    assert [row[1:3] for row in rows] == [(3.0, 4.0), (0.5, None)]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"loss": "0.5"}, r"report\(loss=…\) takes a number .* not str"),
    "nothing": ({"loss": None}, r"report\(loss=…\) takes a number .* not NoneType"),
    "a list": ({"loss": [1.0]}, r"not list"),
    "a step that is text": ({"step": "3"}, r"report\(step=…\)"),
    "a total that is a dict": ({"total": {}}, r"report\(total=…\)"),
    "a metric called time": ({"time": 1.0}, "cannot take a metric named 'time' or 'rank'"),
    "a metric called rank": ({"rank": 1.0}, "cannot take a metric named 'time' or 'rank'"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_it_refuses(rows: list[Row], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        report(**arguments)
    assert rows == []


def test_a_tensor_of_many_elements_is_refused_with_advice(rows: list[Row]) -> None:
    torch = pytest.importorskip("torch")
    report(loss=torch.tensor(0.25), step=torch.tensor(4))
    with pytest.raises(TypeError, match=r"Convert it first, for example with \.item\(\) or \.mean\(\)"):
        report(loss=torch.zeros(2))
    assert [row[1:] for row in rows] == [(4.0, None, {"loss": 0.25})]


def test_a_call_costs_two_microseconds_at_most(rows: list[Row]) -> None:
    best = math.inf
    for _ in range(20):
        rows.clear()
        start = time.perf_counter()
        for step in range(2_000):
            report(step=step, total=2_000, loss=0.5)
        best = min(best, (time.perf_counter() - start) / 2_000)
    assert best < 2e-6


def test_a_loop_that_outruns_its_thread_is_thinned_and_not_blocked(rows: list[Row]) -> None:
    for step in range(ROWS_LIMIT + 10):
        report(step=step)
    assert len(rows) < 0.6 * ROWS_LIMIT
    assert rows[-1][1] == ROWS_LIMIT + 9


def made(values: dict[str, list[float | None]]) -> list[Row]:
    length = max(map(len, values.values()), default=0)
    return [
        (float(i), i, None, {name: v for name, column in values.items() if (v := column[i]) is not None})
        for i in range(length)
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 99, 100, 101])
def test_thinning_keeps_to_its_limit_and_to_the_last_row(limit: int) -> None:
    before = made({"a": [math.sin(i) for i in range(100)], "b": [float(i) for i in range(100)]})
    after = thin(before, limit)
    assert len(after) <= limit
    assert after[-1] == before[-1]
    assert after == sorted(after, key=lambda row: row[0])


def test_thinning_keeps_the_lowest_the_highest_and_what_is_no_number() -> None:
    column: list[float | None] = [0.0] * 1000
    column[123], column[456], column[789] = -5.0, 9.0, math.nan
    kept = [row[3]["a"] for row in thin(made({"a": column}), 50)]
    assert {-5.0, 9.0} <= set(kept)
    assert any(math.isnan(value) for value in kept)


def test_rows_without_metrics_are_thinned_evenly() -> None:
    before = made({"a": [None] * 1000})
    steps = [row[1] for row in thin(before, 11)]
    assert len(steps) >= 10
    assert steps[-1] == 999


def test_columns_have_one_length_and_gaps() -> None:
    table = columns([(1.23456, 1, None, {"a": 1.0}), (2.0, None, 5, {"b": 2.0})], 5)
    assert table == {
        "time": [1.235, 2.0],
        "step": [1, None],
        "total": 5,
        "metrics": {"a": [1.0, None], "b": [None, 2.0]},
    }


class Log:
    """A pipe whose other end is read by a thread."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._end, self.fd = os.pipe()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with os.fdopen(self._end, "rb") as file:
            self.lines = file.read().split(b"\n")

    def messages(self) -> list[Message]:
        """Close the log and return what was said."""
        os.close(self.fd)
        self._thread.join()
        assembler = Assembler()
        frames = [frame for line in self.lines if (frame := decode(line)) is not None]
        assert [frame.seq for frame in frames] == list(range(len(frames)))
        return [message for frame in frames if (message := assembler.feed(frame)) is not None]

    def bytes_of(self, *kinds: str) -> int:
        """Return how much the frames of some kinds took, with their line ends."""
        return sum(len(line) + 2 for line in self.lines if (f := decode(line)) is not None and f.kind in kinds)


def speaker_on(log: Log) -> Speaker:
    return Speaker(rank=0, first=("start", b"{}"), fd=log.fd, on_terminate=lambda: None)


def test_a_hundred_thousand_calls_stay_within_the_budget_and_show_the_same_curve() -> None:
    log = Log()
    speaker = speaker_on(log)
    speaker.start()
    module.attach(speaker.rows)
    try:
        for step in range(100_000):
            report(step=step, total=100_000, loss=math.exp(-step / 2e4) + 0.1 * math.sin(step * 1.7), lr=1 / (step + 1))
            if step % 5_000 == 0:
                time.sleep(0.05)  # So that the thread has its turns, as in any loop that computes.
        report(loss=-3.0)
    finally:
        module.detach()
    speaker.finish([("end", b"{}")])
    messages = log.messages()
    assert [messages[0].kind, messages[-2].kind, messages[-1].kind] == ["start", "history", "end"]
    assert log.bytes_of("metrics", "history") <= 2.5 * 2**20
    for kind in ("metrics", "history"):
        last = [m for m in messages if m.kind == kind]
        batches = [loads(m) for m in (last if kind == "metrics" else last[-1:])]
        steps = [step for batch in batches for step in batch["step"]]
        losses = [value for batch in batches for value in batch["metrics"]["loss"]]
        assert losses[-1] == min(losses) == -3.0
        assert max(losses) == pytest.approx(1.1, abs=0.01)
        known = [(step, loss) for step, loss in itertools.zip_longest(steps, losses) if step is not None]
        assert known == sorted(known)
        assert all(loss == math.exp(-s / 2e4) + 0.1 * math.sin(s * 1.7) for s, loss in known)
        assert batches[-1]["total"] == 100_000
        if kind == "metrics":
            assert len(steps) + batches[-1].get("left_out", 0) == 100_001
    history = loads([m for m in messages if m.kind == "history"][-1])
    assert 500 <= len(history["time"]) <= 2_000


def test_a_short_run_is_told_completely() -> None:
    log = Log()
    speaker = speaker_on(log)
    speaker.rows += [(float(i), i, 1000, {"loss": i / 7}) for i in range(1000)]
    speaker.start()
    speaker.finish([])
    batches = [loads(message) for message in log.messages() if message.kind == "metrics"]
    assert not any("left_out" in batch for batch in batches)
    assert [value for batch in batches for value in batch["metrics"]["loss"]] == [i / 7 for i in range(1000)]


def test_a_run_of_any_length_stays_within_its_budget_and_keeps_being_heard() -> None:
    """A month in which every second is reported, on a clock of its own and without the thread."""
    now = 0.0
    log = Log()
    speaker = Speaker(rank=0, first=("start", b"{}"), fd=log.fd, on_terminate=lambda: None, clock=lambda: now)
    sent: list[tuple[float, str, int]] = []
    ends = 30 * 24 * 3600
    step = 0
    while now < ends:
        pause = min(600.0, max(30.0, now / 300))
        now += pause
        for _ in range(5):  # A few rows stand for the many: they never repeat, so they compress badly.
            step += 1
            value = math.sin(step * 1.1) / 3
            speaker.rows.append((now, step, None, {"loss": value, "accuracy": value / 3, "norm": value / 7}))
        speaker._take()
        speaker._batch()
        speaker._checkpoint()
        while speaker._outbox:
            frame = decode(speaker._outbox.popleft().strip())
            assert frame is not None
            sent.append((now, frame.kind, len(frame.payload) + 80))
    metrics = sum(size for _, kind, size in sent if kind == "metrics")
    checkpoints = sum(size for _, kind, size in sent if kind == "history")
    assert metrics <= BATCHES_BYTES
    assert checkpoints <= CHECKPOINTS_LIMIT * CHECKPOINT_BYTES * 1.1
    heard = [when for when, kind, _ in sent if kind == "metrics"]
    assert max(b - a for a, b in itertools.pairwise(heard)) < 6 * 3600
    assert ends - heard[-1] < 6 * 3600
    log.messages()


def test_the_allowance_adds_up_to_the_limit_of_the_protocol() -> None:
    assert allowance(0) == 640 * 2**10
    assert allowance(60) - allowance(0) == 56 * 2**10
    assert allowance(1e12) == BATCHES_BYTES
    assert BATCHES_BYTES + (CHECKPOINTS_LIMIT + 2) * CHECKPOINT_BYTES <= 2.5 * 2**20


def test_too_many_metrics_are_left_out_and_said_so_once() -> None:
    log = Log()
    speaker = speaker_on(log)
    for number in range(300):
        speaker.rows.append((1.0, number, None, {f"m{number}": 1.0}))
    speaker.rows.append((1.0, 300, None, {"x" * 200: 1.0}))
    speaker.start()
    speaker.finish([])
    messages = log.messages()
    assert len({name for m in messages if m.kind == "metrics" for name in loads(m)["metrics"]}) == 200
    told = [line for line in log.lines if line.startswith(b"report()")]
    assert told == [
        b"report(): 'm200' is left out: at most 200 metrics, with names of at most 120 characters, are kept."
    ]


def test_infinite_and_missing_values_reach_the_reader() -> None:
    body = json.loads(dumps(columns([(1.0, 1, None, {"a": math.inf, "b": math.nan})], None)))
    assert body["metrics"]["a"] == [math.inf]
    assert math.isnan(body["metrics"]["b"][0])
