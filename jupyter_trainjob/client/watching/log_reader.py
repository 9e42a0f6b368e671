"""Read the log of one pod into a `LogSink`, to its end, reconnecting after failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import whole_second
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.diagnosis.failure import training_container
from jupyter_trainjob.kube.client import LogStream
from jupyter_trainjob.metrics.log_lines import PodLogLine, parse_lines

RECONNECT_PAUSE = 0.5
"""Seconds before a log is requested again after it ended or failed; doubles with each failure in a row."""
MAX_RECONNECT_PAUSE = 10.0
"""Longest pause in seconds between failed requests."""
GIVE_UP_AFTER = 60.0
"""Reading the log of an ended pod stops after so many seconds of failing requests."""


class LogSink(Protocol):
    """Receives the lines of a job's logs; implemented by `job_follower.JobFollower`."""

    @property
    def connection(self) -> Connection:
        """The cluster that the pod is in."""

    @property
    def closed(self) -> threading.Event:
        """Set when reading should end."""

    def add_line(self, pod: KubeObject, line: PodLogLine) -> None:
        """Add the next line of a pod's log."""

    def has_final_log(self, pod_uid: str) -> bool:
        """Return whether the pod is deleted or has ended, so that its log cannot grow."""

    def wait(self, until: Callable[[], bool], timeout: float | None = None) -> bool:
        """Block until `until()` is true; False if `timeout` seconds passed before."""

    def notify_changed(self) -> None:
        """Notify waiting threads that a reader has ended."""


class LogReader(threading.Thread):
    """Thread that reads one pod's log to its end, reconnecting after failures."""

    def __init__(self, sink: LogSink, pod: KubeObject) -> None:
        name = pod["metadata"]["name"]
        super().__init__(name=f"trainjob-log-{name}", daemon=True)
        self._sink = sink
        self._pod = pod
        self._stream: LogStream | None = None
        self._last: tuple[str, int] | None = None
        self.done = False
        self.sync_error = ""
        """Why reading was given up; empty while reading and after success."""

    def close(self) -> None:
        """Close the stream that is being read."""
        if self._stream is not None:
            self._stream.close()

    def run(self) -> None:
        """Read until the log is final."""
        closed = self._sink.closed
        pause, failing_since = RECONNECT_PAUSE, None
        try:
            while not closed.is_set():
                final = self._is_final()
                try:
                    self._read(follow=not final)
                except (errors.NotFound, errors.BadRequest):
                    pass  # The container has not started, or the pod is deleted.
                except errors.TrainJobError as error:
                    if final:
                        failing_since = failing_since or time.monotonic()
                        if isinstance(error, errors.Forbidden) or time.monotonic() - failing_since > GIVE_UP_AFTER:
                            self.sync_error = str(error)
                            return
                    closed.wait(pause)
                    pause = min(2 * pause, MAX_RECONNECT_PAUSE)
                    continue
                if final:
                    return
                pause = RECONNECT_PAUSE
                # The log has ended; the pod's status follows a moment later.
                self._sink.wait(self._is_final, RECONNECT_PAUSE)
        finally:
            self.done = True
            self._sink.notify_changed()

    def _is_final(self) -> bool:
        return self._sink.has_final_log(self._pod["metadata"]["uid"])

    def _read(self, *, follow: bool) -> None:
        metadata = self._pod["metadata"]
        stream = self._sink.connection.watcher.logs(
            metadata["name"],
            namespace=metadata["namespace"],
            container=training_container(self._pod),
            follow=follow,
            timestamps=True,
            # `sinceTime` has a resolution of one second; lines that come again are skipped below.
            since_time=whole_second(self._last[0]) if self._last else None,
        )
        self._stream = stream
        if self._sink.closed.is_set():  # `close` was called before the stream was open.
            stream.close()
            return
        for line in parse_lines(stream):
            if self._last is None or line.position > self._last:
                self._last = line.position
                self._sink.add_line(self._pod, line)
