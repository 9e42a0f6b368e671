"""``report()``: accepted values, invalid arguments, cost, and thinning of many calls."""

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
from jupyter_trainjob.worker.output.downsampling import downsample, to_columns
from jupyter_trainjob.worker.output.frame_writer import (
    BATCHES_BYTES,
    CHECKPOINT_BYTES,
    CHECKPOINTS_LIMIT,
    FrameWriter,
    allowance,
)
from jupyter_trainjob.worker.output.messages import metric_name_error
from jupyter_trainjob.worker.protocol import Assembler, Message, decode, dumps, loads
from jupyter_trainjob.worker.report import ROWS_LIMIT, Row, report
from tests import needs


@pytest.fixture
def rows() -> Iterator[list[Row]]:
    appended: list[Row] = []
    module._warned.clear()
    module.attach(appended)
    yield appended
    module.detach()


class Scalar:
    """What torch and NumPy have in common."""

    def __init__(self, value: float | str) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)


def test_report_outside_a_job_keeps_nothing() -> None:
    report(step=1, loss=0.5)
    rows: list[Row] = []
    module.attach(rows)
    module.detach()
    assert rows == [], "nothing was kept for later"


def test_values_are_converted_immediately(rows: list[Row]) -> None:
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


LEFT_OUT: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"bad": "0.5"}, "bad is left out: it must be a number, or a tensor or array of one element, not str"),
    "an object": ({"bad": object()}, "bad is left out: it must be a number"),
    "a list of text": ({"bad": ["a"]}, "bad is left out: it must be a number"),
    "a long list": ({"bad": [1.0] * 1000}, "bad is left out: it has 1,000 items"),
    "a list in a list": ({"bad": [[1, 2], [3, 4]]}, "bad.0 is left out: it must be a number"),
    "a number that cannot be read": ({"bad": Scalar("x")}, "not Scalar (could not convert string to float: 'x')"),
    "a step that is text": ({"step": "3"}, "step is left out: it must be a number"),
    "a total that is a dict": ({"total": {}}, "total is left out: it must be a number"),
    "a metric called time": ({"time": 1.0}, "the metric 'time' is left out: every report has a time. Give it another"),
    "a metric called rank": ({"rank": 1}, "the metric 'rank' is left out: every report has a rank."),
}


@pytest.mark.parametrize("in_job", [True, False], ids=["in a job", "in the notebook"])
@pytest.mark.parametrize(("arguments", "warning"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_is_no_number_is_left_out_with_one_warning(
    rows: list[Row], arguments: dict[str, Any], warning: str, in_job: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if not in_job:
        module.detach()
    for step in (1, 2):
        report(**{"step": step, "loss": 0.5, **arguments})
    warnings_written = capsys.readouterr().err.splitlines()
    assert warning in warnings_written[0]
    assert len(warnings_written) == len(set(warnings_written))
    if in_job:
        assert [row[3] for row in rows] == [{"loss": 0.5}] * 2
        assert [row[1] for row in rows] == ([None, None] if "step" in arguments else [1, 2])


@pytest.mark.parametrize("unnamed", [0.5, "loss", [0.5]])
def test_value_without_a_name_is_left_out(rows: list[Row], unnamed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    report(unnamed, step=3)
    assert [row[1:] for row in rows] == [(3, None, {})]
    assert "a value without a name is left out: give it one, as in report(loss=0.5)." in capsys.readouterr().err


MEANT: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "a list of one number": ({"lr": [0.1]}, {"lr": 0.1}),
    "a list": ({"lr": [0.1, 0.2]}, {"lr.0": 0.1, "lr.1": 0.2}),
    "a list with gaps": ({"lr": [None, 0.2]}, {"lr.1": 0.2}),
    "an empty list": ({"lr": []}, {}),
    "a dict": ({"losses": {"box": 1, "mask": 0.5}}, {"losses.box": 1.0, "losses.mask": 0.5}),
    "None": ({"val_loss": None}, {}),
    "a step in a list": ({"step": [7]}, {}),
    "numbers beyond floats": ({"big": 10**400}, {"big": math.inf}),
}


@pytest.mark.parametrize(("arguments", "metrics"), MEANT.values(), ids=MEANT.keys())
def test_lists_dicts_and_none_are_what_they_mean(
    rows: list[Row], arguments: dict[str, Any], metrics: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    report(loss=0.5, **arguments)
    assert [row[3] for row in rows] == [{"loss": 0.5, **metrics}]
    assert rows[0][1] == (7 if "step" in arguments else None)
    assert capsys.readouterr().err == ""


def test_dict_without_a_name_contains_arguments(rows: list[Row]) -> None:
    report({"loss": 0.5, "step": 1, "total": 9}, accuracy=0.9)
    assert [row[1:] for row in rows] == [(1, 9, {"loss": 0.5, "accuracy": 0.9})]


def test_tensor_of_many_elements_is_left_out_with_a_remedy(rows: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    torch = needs.module("torch")
    report(loss=torch.tensor(0.25), step=torch.tensor(4))
    report(loss=torch.zeros(2))
    assert [row[1:] for row in rows] == [(4.0, None, {"loss": 0.25}), (None, None, {})]
    assert "Convert it first, for example with .item() or .mean()" in capsys.readouterr().err


def test_reports_of_a_fast_loop_are_thinned_without_blocking(rows: list[Row]) -> None:
    for step in range(ROWS_LIMIT + 10):
        report(step=step)
    assert len(rows) < 0.6 * ROWS_LIMIT
    assert rows[-1][1] == ROWS_LIMIT + 9


def rows_of(values: dict[str, list[float | None]]) -> list[Row]:
    length = max(map(len, values.values()), default=0)
    return [
        (float(i), i, None, {name: v for name, column in values.items() if (v := column[i]) is not None})
        for i in range(length)
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 99, 100, 101])
def test_thinning_respects_the_limit_and_keeps_the_last_row(limit: int) -> None:
    before = rows_of({"a": [math.sin(i) for i in range(100)], "b": [float(i) for i in range(100)]})
    after = downsample(before, limit)
    assert len(after) <= limit
    assert after[-1] == before[-1]
    assert after == sorted(after, key=lambda row: row[0])


def test_thinning_keeps_minimum_maximum_and_nan() -> None:
    column: list[float | None] = [0.0] * 1000
    column[123], column[456], column[789] = -5.0, 9.0, math.nan
    thinned = [row[3]["a"] for row in downsample(rows_of({"a": column}), 50)]
    assert {-5.0, 9.0} <= set(thinned)
    assert any(math.isnan(value) for value in thinned)


@pytest.mark.parametrize("limit", [3, 10, 100])
def test_thinning_keeps_the_last_value_of_every_metric(limit: int) -> None:
    rare: list[float | None] = [0.5 if i in (100, 300, 900) else None for i in range(1000)]
    thinned = downsample(rows_of({"loss": [1 / (i + 1) for i in range(1000)], "rare": rare}), limit)
    assert len(thinned) <= limit
    assert [row[1] for row in thinned if "rare" in row[3]][-1] == 900


def test_rows_without_metrics_are_thinned_evenly() -> None:
    before = rows_of({"a": [None] * 1000})
    steps = [row[1] for row in downsample(before, 11)]
    assert len(steps) >= 10
    assert steps[-1] == 999


def test_columns_have_one_length_and_gaps() -> None:
    table = to_columns([(1.23456, 1, None, {"a": 1.0}), (2.0, None, 5, {"b": 2.0})], 5)
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
        """Close the log and return its messages."""
        os.close(self.fd)
        self._thread.join()
        assembler = Assembler()
        frames = [frame for line in self.lines if (frame := decode(line)) is not None]
        assert [frame.seq for frame in frames] == list(range(len(frames)))
        return [message for frame in frames if (message := assembler.feed(frame)) is not None]

    def bytes_of(self, *kinds: str) -> int:
        """Return the size in bytes of the frames of some kinds, line ends included."""
        return sum(len(line) + 2 for line in self.lines if (f := decode(line)) is not None and f.kind in kinds)


def writer_to(log: Log) -> FrameWriter:
    return FrameWriter(rank=0, first=("start", b"{}"), fd=log.fd, on_terminate=lambda: None)


def test_hundred_thousand_calls_stay_within_the_budget_and_keep_the_curve() -> None:
    log = Log()
    writer = writer_to(log)
    writer.start()
    module.attach(writer.rows)
    try:
        for step in range(100_000):
            report(step=step, total=100_000, loss=math.exp(-step / 2e4) + 0.1 * math.sin(step * 1.7), lr=1 / (step + 1))
            if step % 5_000 == 0:
                time.sleep(0.05)  # So that the thread has its turns, as in any loop that computes.
        report(loss=-3.0)
    finally:
        module.detach()
    writer.finish([("end", b"{}")])
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


class SlowThread:
    """A thread of a writer that gets few turns: it makes progress in some of the pauses in which it is waited for."""

    def __init__(self, writer: FrameWriter, pauses: list[bool]) -> None:
        self.pauses = pauses
        self._writer = writer

    def is_alive(self) -> bool:
        return bool(self.pauses)

    def join(self, _timeout: float) -> None:
        self._writer._progress += self.pauses.pop(0)


@pytest.mark.parametrize(
    ("pauses", "remaining"),
    [pytest.param([True] * 4, 0, id="slow"), pytest.param([True, False, True, True], 2, id="the log has no reader")],
)
def test_finish_waits_while_the_thread_makes_progress(pauses: list[bool], remaining: int) -> None:
    log = Log()
    writer = writer_to(log)
    writer._thread = SlowThread(writer, pauses)  # type: ignore[assignment]
    writer.finish([])
    assert len(pauses) == remaining
    log.messages()


def test_short_run_is_reported_completely() -> None:
    log = Log()
    writer = writer_to(log)
    writer.rows += [(float(i), i, 1000, {"loss": i / 7}) for i in range(1000)]
    writer.start()
    writer.finish([])
    batches = [loads(message) for message in log.messages() if message.kind == "metrics"]
    assert not any("left_out" in batch for batch in batches)
    assert [value for batch in batches for value in batch["metrics"]["loss"]] == [i / 7 for i in range(1000)]


def test_usage_of_a_long_run_stays_within_its_allowance_and_continues() -> None:
    """Simulate a month with a report each second, without the writer's thread."""
    now = 0.0
    log = Log()
    writer = FrameWriter(rank=0, first=("start", b"{}"), fd=log.fd, on_terminate=lambda: None, clock=lambda: now)
    sent: list[tuple[float, str, int]] = []
    ends = 30 * 24 * 3600
    step = 0
    while now < ends:
        pause = min(600.0, max(30.0, now / 300))
        now += pause
        for _ in range(5):  # A few rows stand for the many: they never repeat, so they compress badly.
            step += 1
            value = math.sin(step * 1.1) / 3
            writer.rows.append((now, step, None, {"loss": value, "accuracy": value / 3, "norm": value / 7}))
        writer._drain_reports()
        writer._queue_batch()
        writer._queue_checkpoint()
        while writer._outbox:
            frame = decode(writer._outbox.popleft().strip())
            assert frame is not None
            sent.append((now, frame.kind, len(frame.payload) + 80))
    metrics = sum(size for _, kind, size in sent if kind == "metrics")
    checkpoints = sum(size for _, kind, size in sent if kind == "history")
    assert metrics <= BATCHES_BYTES
    assert checkpoints <= CHECKPOINTS_LIMIT * CHECKPOINT_BYTES * 1.1
    sent_at = [when for when, kind, _ in sent if kind == "metrics"]
    assert max(b - a for a, b in itertools.pairwise(sent_at)) < 6 * 3600
    assert ends - sent_at[-1] < 6 * 3600
    log.messages()


def test_allowance_adds_up_to_the_limit_of_the_protocol() -> None:
    assert allowance(0) == 640 * 2**10
    assert allowance(60) - allowance(0) == 56 * 2**10
    assert allowance(1e12) == BATCHES_BYTES
    assert BATCHES_BYTES + (CHECKPOINTS_LIMIT + 2) * CHECKPOINT_BYTES <= 2.5 * 2**20


def test_excess_metrics_are_skipped_with_one_warning() -> None:
    log = Log()
    writer = writer_to(log)
    for number in range(300):
        writer.rows.append((1.0, number, None, {f"m{number}": 1.0}))
    writer.start()
    writer.finish([])
    messages = log.messages()
    assert len({name for m in messages if m.kind == "metrics" for name in loads(m)["metrics"]}) == 200
    assert warnings(log) == [
        (
            "report(): the metric 'm200' is left out: at most 200 metrics are kept. "
            "The other values of that report are kept."
        )
    ]


def warnings(log: Log) -> list[str]:
    return [line.decode() for line in log.lines if line.startswith(b"report()")]


NAMELESS: dict[str, tuple[list[str], str]] = {
    "nothing": ([""], "'' is left out: the name of a metric must be visible, as in report(loss=0.5)"),
    "spaces": (["  ", "\u200b", "\xa0"], "'  ' is left out: the name of a metric must be visible"),
    "a line end": (["a\nb", "a\x1b[31m"], r"'a\nb' is left out: the name of a metric is one line of text"),
    "half a character": (["\ud800"], r"'\ud800' is left out: the name of a metric is one line of text"),
    "long": (["x" * 10_000], f"'{'x' * 40}…' is left out: the name of a metric has at most 120 characters"),
}


@pytest.mark.parametrize(("names", "warning"), NAMELESS.values(), ids=NAMELESS.keys())
def test_metric_with_an_invalid_name_is_skipped_with_one_warning(names: list[str], warning: str) -> None:
    log = Log()
    writer = writer_to(log)
    for step in range(3):
        writer.rows.append((1.0, step, None, {"loss": 0.5, **dict.fromkeys(names, 1.0)}))
    writer.start()
    writer.finish([])
    batches = [loads(message) for message in log.messages() if message.kind == "metrics"]
    assert [list(batch["metrics"]) for batch in batches] == [["loss"]]
    (message,) = [line.replace("\\u2026", "…") for line in warnings(log)]
    assert warning in message


@pytest.mark.parametrize("name", ["val/loss", "top-5 accuracy", "損失", "∇²", "👩\u200d🔬", " loss", "x" * 120])
def test_names_of_any_language_are_kept(name: str) -> None:
    assert metric_name_error(name) == ""


def test_infinite_and_missing_values_reach_the_reader() -> None:
    body = json.loads(dumps(to_columns([(1.0, 1, None, {"a": math.inf, "b": math.nan})], None)))
    assert body["metrics"]["a"] == [math.inf]
    assert math.isnan(body["metrics"]["b"][0])
