"""The log of one followed job: a buffer for views, a stream for readers, and the stored history.

The readers of the pods' logs add lines; `FollowedLog` passes them on to the buffer and to open streams, and saves them
in batches to the `History` of the context.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Iterator

from jupyter_trainjob.client.snapshot import LogLine
from jupyter_trainjob.client.watching.log_buffer import LogBuffer, to_log_line
from jupyter_trainjob.metrics.history import History, LinePosition, StoredLine
from jupyter_trainjob.metrics.log_lines import PodLogLine


class FollowedLog:
    """Lines of all pods of one job. Thread-safe."""

    def __init__(self, history: History, uid: str) -> None:
        self._history = history
        self._uid = uid
        self._lock = threading.RLock()
        self._saving = threading.RLock()
        """Held while lines move from memory to the history; acquired before `_lock`."""
        self._unsaved: dict[tuple[str, int], list[PodLogLine]] = {}
        self._loaded_until: dict[str, tuple[str, int]] = {}
        self._open_rows: dict[str, LogLine] = {}
        self._streams: list[queue.SimpleQueue[LogLine | None]] = []
        self._closed = False
        self.buffer = LogBuffer(self._newest)

    def load(self) -> None:
        """Fill the buffer from the history; `add` then skips text that was loaded."""
        self._loaded_until = self.buffer.load()

    def add(self, pod_uid: str, node: int, line: PodLogLine) -> None:
        """Add the next line of a pod's log. A line with a frame is only saved, since it has no text to show."""
        with self._lock:
            if line.frame is None:
                self._add_text(pod_uid, node, line)
            self._unsaved.setdefault((pod_uid, node), []).append(line)

    def _add_text(self, pod_uid: str, node: int, line: PodLogLine) -> None:
        loaded_until = self._loaded_until.get(pod_uid)
        if loaded_until is not None and line.position <= loaded_until:
            return  # A reader starts at the beginning of the log, for its frames.
        log_line = self.buffer.add(pod_uid, node, line)
        self._open_rows.pop(line.row, None)
        if line.row and not log_line.text:
            return
        if line.open:
            self._open_rows[line.row] = log_line  # Streams get a row once it is final.
        else:
            for stream in self._streams:
                stream.put(log_line)

    def _newest(self, *, before: LinePosition | None, nodes: Collection[int] | None) -> Iterator[StoredLine]:
        self.save()
        return self._history.newest_lines(self._uid, before=before, nodes=nodes)

    def save(self) -> None:
        """Write the lines that were added since the last call to the history."""
        with self._saving:
            with self._lock:
                unsaved, self._unsaved = self._unsaved, {}
            for (pod_uid, node), lines in unsaved.items():
                self._history.add(self._uid, pod_uid, node, lines)

    def stored_lines(self) -> list[StoredLine]:
        """Return all lines in the history, of all pods in the order of time."""
        self.save()
        return self._history.lines(self._uid)

    def lines(self) -> list[LogLine]:
        """Return the stored lines as views show them."""
        return [to_log_line(node, line) for _, node, line in self.stored_lines()]

    def dropped_counts(self) -> dict[tuple[str, int], int]:
        """Return how many lines were read but are no longer in the history, by pod uid and node; zeros are omitted."""
        self.save()
        return self._history.dropped_lines(self._uid)

    def stream(self) -> Iterator[LogLine]:
        """Yield the stored lines, then new ones as they arrive, until `close`."""
        arrivals: queue.SimpleQueue[LogLine | None] = queue.SimpleQueue()
        with self._saving, self._lock:
            stored = self.lines()
            closed = self._closed
            self._streams.append(arrivals)
        try:
            yield from stored
            while not closed:
                line = arrivals.get()
                if line is None:
                    return
                yield line
        finally:  # Do not collect lines for a reader that stops early.
            with self._lock:
                self._streams.remove(arrivals)

    @property
    def is_streamed(self) -> bool:
        """Whether a `stream` is being read."""
        return bool(self._streams)

    def close(self) -> None:
        """End all streams, after the last text of rows that are still open."""
        with self._lock:
            self._closed = True
            for stream in self._streams:
                for line in (*self._open_rows.values(), None):
                    stream.put(line)
