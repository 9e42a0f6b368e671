"""The thread that speaks for a rank: it turns reports into frames and writes them, never in the way of the training.

Comes after `report`, whose list it empties a few times a second; goes to the pod's log through a copy of standard
output. What a rank may write is bounded for a run of any length (`Allowance`): reports beyond it are thinned, and at
growing intervals a checkpoint says the whole history again, for readers that come when older logs are gone.

There is no lock: the list is emptied by slices, and one pipe wakes the thread, whether the cell has ended or a signal
has arrived (while the main thread may sit in native code that never returns).
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

from . import report
from .messages import END, HISTORY, METRICS, End
from .protocol import LINE_LIMIT, dumps, encode
from .report import Row
from .thinning import columns, thin

PULSE: Final = 0.25
"""Seconds between two batches, at first; later a thousandth of the time that the run has taken."""
LONGEST_PULSE: Final = 60.0
FINISH_TIMEOUT: Final = 5.0
"""Seconds in which the last words must be out, if nobody reads the log."""
BATCH_ROWS: Final = 500
"""Rows of one message, so that a lost line loses little."""
PENDING_ROWS: Final = 500
"""Reports that are kept while there is no room for them."""
HISTORY_ROWS: Final = 2_000
NAMES_LIMIT: Final = 200
NAME_LENGTH: Final = 120

FIRST_BYTES: Final = 640 * 2**10
DOUBLING_BYTES: Final = 56 * 2**10
BATCHES_BYTES: Final = 1_700 * 2**10
WORTH_BYTES: Final = 250
"""What must be free before another batch is worth its line."""
CHECKPOINT_BYTES: Final = 32 * 2**10
CHECKPOINT_EVERY: Final = 512 * 2**10
CHECKPOINT_FIRST: Final = 60.0
CHECKPOINTS_LIMIT: Final = 23
"""With the batches, the last batch and the last checkpoint a rank's metrics stay below 2.5 MiB."""

Said = tuple[str, bytes]
"""Kind and body of a message."""


def allowance(
    elapsed: float, *, first: int = FIRST_BYTES, doubling: int = DOUBLING_BYTES, most: int = BATCHES_BYTES
) -> float:
    """Return how many bytes a rank may have written after `elapsed` seconds: of batches, unless others are given.

    Much at once, then the same again for every doubling of the time: a run of any length keeps being heard.
    """
    return min(most, first + doubling * math.log2(1 + elapsed / 60))


class Speaker:
    """Says what one rank has to say. `rows` is the list that `report` appends to."""

    def __init__(
        self,
        *,
        rank: int,
        first: Said,
        fd: int,
        on_terminate: Callable[[], None],
        on_pulse: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rows: list[Row] = []
        self._rank = rank
        self._first = first
        self._fd = fd
        self._on_terminate = on_terminate
        self._on_pulse = on_pulse
        self._attempt = time.time_ns() // 1_000_000
        self._line_limit = min(LINE_LIMIT, select.PIPE_BUF)
        self._clock = clock
        self._started = clock()
        self._seq = 0
        self._outbox: deque[bytes] = deque()
        self._told: dict[str, bytes] = {}
        self._pending: list[Row] = []
        self._history: list[Row] = []
        self._names: set[str] = set()
        self._refused: set[str] = set()
        self._total: float | None = None
        self._left_out = 0
        self._spent = 0
        self._next_batch = 0.0
        self._next_checkpoint = CHECKPOINT_FIRST
        self._spent_at_checkpoint = 0
        self._checkpoints = 0
        self._last: Sequence[Said] | None = None
        self._wake, self.wakeup_fd = os.pipe()
        os.set_blocking(self.wakeup_fd, False)
        os.set_blocking(self._wake, False)
        self._thread = threading.Thread(target=self._run, name="trainjob-report", daemon=True)

    def start(self) -> None:
        """Start the thread; its first message is `first`."""
        self._thread.start()

    def tell(self, kind: str, body: bytes) -> None:
        """Say a message soon, from any thread; only the newest of its kind, if several came before its turn."""
        self._told[kind] = body

    def reports(self, count: int) -> list[float]:
        """Return the times of the last reports, from any thread."""
        return [row[0] for row in self._history[-count:]]

    def finish(self, last: Sequence[Said], timeout: float = FINISH_TIMEOUT) -> None:
        """Write everything that is left, then the messages of `last`; give up after `timeout` seconds."""
        self._last = last
        with contextlib.suppress(BlockingIOError):  # A full pipe wakes it as well.
            os.write(self.wakeup_fd, b"\0")
        self._thread.join(timeout)

    def _run(self) -> None:
        self._say(*self._first)
        while self._last is None:
            self._write(PULSE)
            self._on_pulse()
            if self._terminated(self._sleep(PULSE)):
                self._close([(END, dumps(End(time=time.time(), ok=False)))])
                self._on_terminate()
            self._take()
            if not self._outbox:  # Else nobody reads: reports wait, and are thinned, until somebody does.
                self._batch()
                self._checkpoint()
                while self._told:
                    self._say(*self._told.popitem())
        self._close(self._last)

    def _sleep(self, seconds: float) -> bytes:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._last is None and poll.poll(seconds * 1000):
            return os.read(self._wake, 4096)
        return b""

    def _terminated(self, signals: bytes) -> bool:
        # Whoever has put in a handler of his own wants to live on.
        return signal.SIGTERM in signals and signal.getsignal(signal.SIGTERM) is ignore_signal

    def _close(self, last: Sequence[Said]) -> None:
        self._take()
        self._batch(last=True)
        self._checkpoint(last=True)
        for kind, body in last:
            self._say(kind, body)
        self._write(FINISH_TIMEOUT)

    def _take(self) -> None:
        """Move reports from the list of `report` to what is to be sent and what is remembered."""
        new = self.rows[:]
        del self.rows[: len(new)]
        for when, step, total, metrics in new:
            if total is not None:
                self._total = total
            if not metrics.keys() <= self._names:
                metrics = self._known(metrics)  # noqa: PLW2901
            row = (when, step, total, metrics)
            self._pending.append(row)
            self._history.append(row)
        if len(self._history) > 2 * HISTORY_ROWS:
            self._history = thin(self._history, HISTORY_ROWS)

    def _known(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Learn new names, and leave out those beyond the limit."""
        for name in metrics:
            if name not in self._names and name not in self._refused:
                if len(self._names) < NAMES_LIMIT and len(name) <= NAME_LENGTH:
                    self._names.add(name)
                else:
                    self._refuse(name)
        return {name: value for name, value in metrics.items() if name in self._names}

    def _refuse(self, name: str) -> None:
        if not self._refused:
            reason = f"at most {NAMES_LIMIT} metrics, with names of at most {NAME_LENGTH} characters, are kept"
            self._outbox.append(f"\nreport(): {name[:NAME_LENGTH]!r} is left out: {reason}.\n".encode())
        if len(self._refused) < NAMES_LIMIT:
            self._refused.add(name)

    def _batch(self, *, last: bool = False) -> None:
        """Send the pending reports, as many as there is room for."""
        now = self._clock() - self._started
        if not self._pending or (now < self._next_batch and not last):
            return
        room = allowance(now) - self._spent + (CHECKPOINT_BYTES if last else 0)
        rows = self._pending
        while room >= WORTH_BYTES:
            left_out = self._left_out + len(self._pending) - len(rows)
            bodies = [self._body(rows[i : i + BATCH_ROWS], left_out) for i in range(0, len(rows), BATCH_ROWS)]
            size = sum(self._size(METRICS, body) for body in bodies)
            if size <= room:
                for body in bodies:
                    self._say(METRICS, body)
                self._spent += size
                self._left_out = left_out
                self._pending.clear()
            if size <= room or len(rows) == 1:
                break
            rows = thin(rows, _fitting(rows, size, room))
        if room < WORTH_BYTES:
            kept = thin(self._pending, PENDING_ROWS)
            self._left_out += len(self._pending) - len(kept)
            self._pending = kept
        self._next_batch = now + min(LONGEST_PULSE, max(PULSE, now / 1000))

    def _body(self, rows: Sequence[Row], left_out: int) -> bytes:
        said = columns(rows, self._total)
        if left_out:
            said["left_out"] = left_out
        return dumps(said)

    def _checkpoint(self, *, last: bool = False) -> None:
        """Say the whole history again, when it is time."""
        now = self._clock() - self._started
        since = self._spent - self._spent_at_checkpoint
        due = last or ((now >= self._next_checkpoint or since >= CHECKPOINT_EVERY) and not self._exhausted())
        if not due or not since:
            return
        rows = self._history = thin(self._history, HISTORY_ROWS)
        while True:
            body = dumps(columns(rows, self._total))
            size = self._size(HISTORY, body)
            if size <= CHECKPOINT_BYTES:
                self._say(HISTORY, body)
            if size <= CHECKPOINT_BYTES or len(rows) == 1:
                break
            rows = thin(rows, _fitting(rows, size, CHECKPOINT_BYTES))
        self._checkpoints += 1
        self._spent_at_checkpoint = self._spent
        self._next_checkpoint = max(CHECKPOINT_FIRST, 2 * now)

    def _exhausted(self) -> bool:
        return self._checkpoints >= CHECKPOINTS_LIMIT

    def _encode(self, kind: str, body: bytes) -> list[bytes]:
        return encode(
            attempt=self._attempt, rank=self._rank, seq=self._seq, kind=kind, body=body, limit=self._line_limit
        )

    def _size(self, kind: str, body: bytes) -> int:
        return sum(len(line) for line in self._encode(kind, body))

    def _say(self, kind: str, body: bytes) -> None:
        lines = self._encode(kind, body)
        self._seq += len(lines)
        self._outbox.extend(lines)

    def _write(self, timeout: float) -> None:
        """Write what is in the outbox; stop when the log has taken nothing for `timeout` seconds in all."""
        deadline = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while self._outbox:
            # A pipe is ready when a whole frame fits in; a frame is written at once or not at all.
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return
            try:
                written = os.write(self._fd, self._outbox[0])
            except BlockingIOError:
                continue
            except OSError:  # Nobody will ever read: the log is closed.
                self._outbox.clear()
                return
            rest = self._outbox.popleft()[written:]
            if rest:
                self._outbox.appendleft(rest)


def _fitting(rows: Sequence[Row], size: int, room: float) -> int:
    """Return how many of `rows`, which take `size` bytes, may fit into `room`: some fewer, as lines have heads."""
    return max(1, int(len(rows) * room / size * 7 / 8))


def ignore_signal(*_: object) -> None:
    """Handle SIGTERM in the main thread: nothing. The speaker's thread hears of it and ends the process."""


def watch_signals(speaker: Speaker) -> None:
    """Let SIGTERM end the process with the last frames out, and keep forked children out of all this."""
    signal.signal(signal.SIGTERM, ignore_signal)
    signal.set_wakeup_fd(speaker.wakeup_fd, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_in_child)


def unwatch_signals() -> None:
    """Let signals do what they do by default again: from now on nobody listens."""
    signal.set_wakeup_fd(-1)
    if signal.getsignal(signal.SIGTERM) is ignore_signal:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _in_child() -> None:
    report.detach()
    unwatch_signals()
