"""Reads the log of one pod for a follower, to its end and over any number of broken connections."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import whole_second
from jupyter_trainjob.client.failure import training_container
from jupyter_trainjob.kube.client import LogStream
from jupyter_trainjob.metrics.loglines import parse

if TYPE_CHECKING:
    from jupyter_trainjob.client.follow import Follower

RECONNECT = 0.5


class LogReader(threading.Thread):
    """Reads one pod's log to its end, over any number of broken connections."""

    def __init__(self, follower: Follower, pod: Object) -> None:
        name = pod["metadata"]["name"]
        super().__init__(name=f"trainjob-log-{name}", daemon=True)
        self._follower = follower
        self._pod = pod
        self._stream: LogStream | None = None
        self._last: tuple[str, int] | None = None
        self.done = False

    def close(self) -> None:
        """Give up reading."""
        if self._stream is not None:
            self._stream.close()

    def run(self) -> None:
        """Read until the log can not grow any more."""
        closed = self._follower.closed
        try:
            while not closed.is_set():
                final = self._follower.gone_or_ended(self._pod["metadata"]["uid"])
                try:
                    self._read(follow=not final)
                except (errors.NotFound, errors.BadRequest):
                    if final:
                        return
                except errors.TrainJobError:
                    final = False
                if final:
                    return
                # The log has ended; the pod's status says so a moment later.
                self._follower.wait(lambda: self._follower.gone_or_ended(self._pod["metadata"]["uid"]), RECONNECT)
        finally:
            self.done = True
            self._follower.touch()

    def _read(self, *, follow: bool) -> None:
        metadata = self._pod["metadata"]
        self._stream = self._follower.connection.watcher.logs(
            metadata["name"],
            namespace=metadata["namespace"],
            container=training_container(self._pod),
            follow=follow,
            timestamps=True,
            # Whole seconds are the grain of this option; what comes twice is skipped.
            since_time=whole_second(self._last[0]) if self._last else None,
        )
        for line in parse(self._stream):
            if self._last is None or line.place > self._last:
                self._last = line.place
                self._follower.take(self._pod, line)
