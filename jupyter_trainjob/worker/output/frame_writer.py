"""The thread that writes a rank's reports as frames, without blocking the training.

It empties the list of `report` a few times a second and writes to the pod's log through a duplicate of standard output.
The total size is bounded for a run of any length (`allowance`): further reports are downsampled, and at growing
intervals a ``history`` message repeats the whole history, for readers that start after older logs were deleted.

There is no lock: the list is emptied by slices, and one pipe wakes the thread at the end of the cell and for signals,
even while the main thread is in native code that never returns.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from .. import report
from ..protocol import LINE_LIMIT, dumps, encode
from ..report import Row
from .downsampling import downsample, to_columns
from .messages import COUNT_LIMIT, END, HISTORY, METRICS, NAMES_LIMIT, End, metric_name_error

PULSE: Final = 0.25
"""Minimum of seconds between two batches; later a thousandth of the time since the start."""
LONGEST_PULSE: Final = 60.0
FINISH_TIMEOUT: Final = 5.0
"""Seconds without progress after which the last messages are given up: the log has no reader."""
BATCH_ROWS: Final = 500
"""Maximum of rows of one message, so that a lost line loses little."""
PENDING_ROWS: Final = 500
"""Maximum of reports that are kept while the allowance is used up."""
HISTORY_ROWS: Final = 2_000
SHOWN: Final = 40
"""Characters of a name that a warning shows."""

FIRST_BYTES: Final = 640 * 2**10
DOUBLING_BYTES: Final = 56 * 2**10
BATCHES_BYTES: Final = 1_700 * 2**10
WORTH_BYTES: Final = 250
"""Minimum of free bytes for another batch."""
CHECKPOINT_BYTES: Final = 32 * 2**10
CHECKPOINT_EVERY: Final = 512 * 2**10
CHECKPOINT_FIRST: Final = 60.0
CHECKPOINTS_LIMIT: Final = 23
"""Bounds a rank's metrics, with all batches and the last ones, to 2.5 MiB."""

EncodedMessage = tuple[str, bytes]
"""Kind and body of a message."""


def allowance(
    elapsed: float, *, first: int = FIRST_BYTES, doubling: int = DOUBLING_BYTES, most: int = BATCHES_BYTES
) -> float:
    """Return the number of bytes that a rank may have written after `elapsed` seconds, by default of batches.

    It starts with `first` and grows by `doubling` each time the elapsed time doubles, up to `most`.
    """
    return min(most, first + doubling * math.log2(1 + elapsed / 60))


class FrameWriter:
    """Writes the messages of one rank. `rows` is the list that `report` appends to."""

    def __init__(
        self,
        *,
        rank: int,
        first: EncodedMessage,
        fd: int,
        on_terminate: Callable[[], None],
        on_pulse: Callable[[], None] = lambda: None,
        on_last: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rows: list[Row] = []
        self._rank = rank
        self._first = first
        self._fd = fd
        self._on_terminate = on_terminate
        self._on_pulse = on_pulse
        self._on_last = on_last
        self._attempt = time.time_ns() // 1_000_000
        self._line_limit = min(LINE_LIMIT, select.PIPE_BUF)
        self._clock = clock
        self._started = clock()
        self._seq = 0
        self._outbox: deque[bytes] = deque()
        self._latest: dict[str, bytes] = {}
        self._pending: list[Row] = []
        self._history: list[Row] = []
        self._names: set[str] = set()
        self._refused: set[str] = set()
        self._faults: set[str] = set()
        self._warned: set[str] = set()
        self._total: float | None = None
        self._left_out = 0
        self._spent = 0
        self._next_batch = 0.0
        self._next_checkpoint = CHECKPOINT_FIRST
        self._spent_at_checkpoint = 0
        self._checkpoints = 0
        self._last: Sequence[EncodedMessage] | None = None
        self._progress = 0
        """Number of encoding and writing steps so far."""
        self._wake, self.wakeup_fd = os.pipe()
        os.set_blocking(self.wakeup_fd, False)
        os.set_blocking(self._wake, False)
        self._thread = threading.Thread(target=self._run, name="trainjob-report", daemon=True)

    def start(self) -> None:
        """Start the thread; its first message is `first`."""
        self._thread.start()

    def send(self, kind: str, body: bytes) -> None:
        """Send a message soon, from any thread; a newer message of the same kind replaces a waiting one."""
        self._latest[kind] = body

    def report_times(self, count: int) -> list[float]:
        """Return the times of the last `count` reports, from any thread."""
        return [row[0] for row in self._history[-count:]]

    def finish(self, last: Sequence[EncodedMessage], timeout: float = FINISH_TIMEOUT) -> None:
        """Write all pending messages, then those in `last`; give up after `timeout` seconds without progress.

        With few CPUs, encoding and writing may take longer than that in total, without any loss.
        """
        self._last = last
        with contextlib.suppress(BlockingIOError):  # A full pipe wakes the thread, too.
            os.write(self.wakeup_fd, b"\0")
        while self._thread.is_alive():
            before = self._progress
            self._thread.join(timeout)
            if self._progress == before:
                return

    def _run(self) -> None:
        self._queue(*self._first)
        while self._last is None:
            self._write(PULSE)
            self._on_pulse()
            if self._must_terminate(self._sleep(PULSE)):
                self._write_last([(END, dumps(End(time=time.time(), ok=False)))])
                self._on_terminate()
            self._drain_reports()
            if not self._outbox:  # Otherwise the log has no reader: keep the reports.
                self._queue_batch()
                self._queue_checkpoint()
                self._queue_latest()
        self._write_last(self._last)

    def _queue_latest(self) -> None:
        while self._latest:
            self._queue(*self._latest.popitem())

    def _sleep(self, seconds: float) -> bytes:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._last is None and poll.poll(seconds * 1000):
            return os.read(self._wake, 4096)
        return b""

    def _must_terminate(self, signals: bytes) -> bool:
        # A cell that has installed its own handler decides itself.
        return signal.SIGTERM in signals and signal.getsignal(signal.SIGTERM) is ignore_signal

    def _write_last(self, last: Sequence[EncodedMessage]) -> None:
        self._on_last()
        self._drain_reports()
        self._queue_batch(last=True)
        self._queue_checkpoint(last=True)
        self._queue_latest()
        for kind, body in last:
            self._queue(kind, body)
        while self._outbox:
            before = self._progress
            self._write(FINISH_TIMEOUT)
            if self._progress == before:
                return

    def _drain_reports(self) -> None:
        """Move reports from the list of `report` to the pending rows and the history."""
        new = self.rows[:]
        del self.rows[: len(new)]
        for when, step, total, metrics in new:
            if step is not None and not -COUNT_LIMIT <= step <= COUNT_LIMIT:
                step = None  # noqa: PLW2901
                self._warn("a step", f"{_NO_COUNT} The metrics of that report are kept.")
            if total is not None and not 0 <= total <= COUNT_LIMIT:
                self._warn("a total", _NO_COUNT)
            elif total is not None:
                self._total = total
            if not metrics.keys() <= self._names:
                metrics = self._accepted(metrics)  # noqa: PLW2901
            row = (when, step, total, metrics)
            self._pending.append(row)
            self._history.append(row)
        if len(self._history) > 2 * HISTORY_ROWS:
            self._history = downsample(self._history, HISTORY_ROWS)

    def _accepted(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Register new names; return the metrics without invalid names and those beyond the limit."""
        for name in metrics:
            if name in self._names or name in self._refused:
                continue
            fault = metric_name_error(name)
            if not fault and len(self._names) >= NAMES_LIMIT:
                fault = f"at most {NAMES_LIMIT} metrics are kept"
            if fault:
                self._refuse(name, fault)
            else:
                self._names.add(name)
        return {name: value for name, value in metrics.items() if name in self._names}

    def _refuse(self, name: str, fault: str) -> None:
        """Warn of the first name with a fault; further names with the same fault are dropped silently."""
        if fault not in self._faults:
            self._faults.add(fault)
            shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}…"
            self._warn(f"the metric {shown!r}", f"{fault}. The other values of that report are kept.")
        if len(self._refused) < NAMES_LIMIT:
            self._refused.add(name)

    def _warn(self, value: str, why: str) -> None:
        """Write a warning to the log, once, about a part of a report that is left out."""
        if value not in self._warned:
            self._warned.add(value)
            self._outbox.append(f"\nreport(): {value} is left out: {why}\n".encode(errors="backslashreplace"))

    def _queue_batch(self, *, last: bool = False) -> None:
        """Queue the pending reports, as many as the allowance permits."""
        now = self._clock() - self._started
        if not self._pending or (now < self._next_batch and not last):
            return
        room = allowance(now) - self._spent + (CHECKPOINT_BYTES if last else 0)
        rows = self._pending
        while room >= WORTH_BYTES:
            left_out = self._left_out + len(self._pending) - len(rows)
            bodies = [self._encode_rows(rows[i : i + BATCH_ROWS], left_out) for i in range(0, len(rows), BATCH_ROWS)]
            size = sum(self._encoded_size(METRICS, body) for body in bodies)
            if size <= room:
                for body in bodies:
                    self._queue(METRICS, body)
                self._spent += size
                self._left_out = left_out
                self._pending.clear()
            if size <= room or len(rows) == 1:
                break
            rows = downsample(rows, _rows_that_fit(rows, size, room))
        if room < WORTH_BYTES:
            thinned = downsample(self._pending, PENDING_ROWS)
            self._left_out += len(self._pending) - len(thinned)
            self._pending = thinned
        self._next_batch = now + min(LONGEST_PULSE, max(PULSE, now / 1000))

    def _encode_rows(self, rows: Sequence[Row], left_out: int) -> bytes:
        self._progress += 1
        message = to_columns(rows, self._total)
        if left_out:
            message["left_out"] = left_out
        return dumps(message)

    def _queue_checkpoint(self, *, last: bool = False) -> None:
        """Queue the whole history again, if it is due."""
        now = self._clock() - self._started
        since = self._spent - self._spent_at_checkpoint
        due = last or ((now >= self._next_checkpoint or since >= CHECKPOINT_EVERY) and not self._exhausted())
        if not due or not since:
            return
        rows = self._history = downsample(self._history, HISTORY_ROWS)
        while True:
            body = dumps(to_columns(rows, self._total))
            size = self._encoded_size(HISTORY, body)
            if size <= CHECKPOINT_BYTES:
                self._queue(HISTORY, body)
            if size <= CHECKPOINT_BYTES or len(rows) == 1:
                break
            rows = downsample(rows, _rows_that_fit(rows, size, CHECKPOINT_BYTES))
        self._checkpoints += 1
        self._spent_at_checkpoint = self._spent
        self._next_checkpoint = max(CHECKPOINT_FIRST, 2 * now)

    def _exhausted(self) -> bool:
        return self._checkpoints >= CHECKPOINTS_LIMIT

    def _encode(self, kind: str, body: bytes) -> list[bytes]:
        return encode(
            attempt=self._attempt, rank=self._rank, seq=self._seq, kind=kind, body=body, limit=self._line_limit
        )

    def _encoded_size(self, kind: str, body: bytes) -> int:
        return sum(len(line) for line in self._encode(kind, body))

    def _queue(self, kind: str, body: bytes) -> None:
        lines = self._encode(kind, body)
        self._seq += len(lines)
        self._progress += 1
        self._outbox.extend(lines)

    def _write(self, timeout: float) -> None:
        """Write the outbox; stop when the log has accepted nothing for `timeout` seconds in total."""
        deadline = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while self._outbox:
            # A pipe is ready when a whole frame fits in; a write of a frame is atomic.
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return
            try:
                written = os.write(self._fd, self._outbox[0])
            except BlockingIOError:
                continue
            except OSError:  # The log is closed.
                self._outbox.clear()
                return
            self._progress += 1
            rest = self._outbox.popleft()[written:]
            if rest:
                self._outbox.appendleft(rest)


_NO_COUNT: Final = f"it must be a finite number, no larger than 2**53 ({COUNT_LIMIT})."


def _rows_that_fit(rows: Sequence[Row], size: int, room: float) -> int:
    """Return how many of `rows`, which take `size` bytes, fit into `room`; a bit fewer, because of line headers."""
    return max(1, int(len(rows) * room / size * 7 / 8))


def ignore_signal(*_: object) -> None:
    """Do nothing on SIGTERM in the main thread; the writer's thread ends the process."""


def watch_signals(writer: FrameWriter) -> None:
    """Make SIGTERM end the process after the last frames, and exclude forked children.

    SIGTERM is blocked while the process forks: until a child has its own handling of signals, one meant for the child
    would be written to the pipe that it shares with this process, and end this process instead.
    """
    signal.set_wakeup_fd(writer.wakeup_fd, warn_on_full_buffer=False)  # First, so that no signal is lost in between.
    signal.signal(signal.SIGTERM, ignore_signal)
    os.register_at_fork(before=_before_fork, after_in_parent=_restore_signal_mask, after_in_child=_in_child)


def unwatch_signals() -> None:
    """Restore the default handling of signals."""
    signal.set_wakeup_fd(-1)
    if signal.getsignal(signal.SIGTERM) is ignore_signal:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


_forking = threading.local()
"""The signal mask of a forking thread before the fork."""


def _before_fork() -> None:
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _restore_signal_mask() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _in_child() -> None:
    report.detach()
    unwatch_signals()
    _restore_signal_mask()
