"""Reading a container's log: what the shim wrote, as ``GET …/pods/<name>/log`` serves it.

In: a run's log folder (numbered files and ``kept``, see `log_writer.LogWriter`). Out: lines, with timestamps on
request, followed until the program ends. All frames are read in order: those of a file that was deleted before a slow
reader reached it are in ``kept``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import BinaryIO

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.containers.container_run import Run, State
from jupyter_trainjob.cluster.agent.containers.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.volumes.dir_watch import DirWatch
from jupyter_trainjob.cluster.apiserver.status_errors import bad_request

BLOCK_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 18
"""Most bytes up to which the parts of a line are joined."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)")


class LogReader:
    """Reads the raw lines of a log folder in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._file: BinaryIO | None = None
        self._kept_read = 0
        self._rest = b""

    def read(self) -> bytes:
        """Return the next complete lines; empty if there are none at present."""
        while True:
            if self._file is None and not self._open_next():
                return self._read_kept()
            data = self._take()
            if data:
                return data
            if not self._exists_after():
                return b""
            # A newer file exists, so the current one is complete; but it may have grown since the last read.
            data = self._take()
            if data:
                return data
            if self._file is not None:
                self._file.close()
                self._file = None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take(self) -> bytes:
        data = self._rest + (self._file.read(BLOCK_BYTES) if self._file is not None else b"")
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        return data[:end]

    def _open_next(self) -> bool:
        """Open the next existing file; if files in between were deleted, read their kept frames first."""
        for number in self._numbers():
            if number > self._number:
                try:
                    file = (self._folder / f"{number:08d}").open("rb")
                except FileNotFoundError:
                    continue
                if number > self._number + 1:
                    self._rest += self._read_kept()
                self._number, self._file = number, file
                return True
        return False

    def _read_kept(self) -> bytes:
        with contextlib.suppress(FileNotFoundError), (self._folder / "kept").open("rb") as file:
            file.seek(self._kept_read)
            data = file.read()
            data = data[: data.rfind(b"\n") + 1]
            self._kept_read += len(data)
            return data
        return b""

    def _exists_after(self) -> bool:
        return any(number > self._number for number in self._numbers())

    def _numbers(self) -> list[int]:
        with contextlib.suppress(FileNotFoundError):
            return sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdigit())
        return []


class LineFilter:
    """Converts raw lines to those of the log endpoint: joins parts, filters by time, adds timestamps on request."""

    def __init__(self, *, timestamps: bool, since_time: str | None = None) -> None:
        self._timestamps = timestamps
        self._since = normalize_time(since_time).encode() if since_time else b""
        self._pieces: dict[bytes, tuple[bytes, bytes]] = {}

    def convert(self, raw: bytes) -> Iterator[bytes]:
        """Yield the lines, with line ends, that `raw` completes."""
        for line in raw[:-1].split(b"\n"):
            parts = line.split(b" ", 3)
            if len(parts) != 4:
                continue
            stamp, stream, tag, text = parts
            if stream in self._pieces:
                stamp, before = self._pieces.pop(stream)
                text = before + text
            if tag == b"P" and len(text) < MAX_LINE_BYTES:
                self._pieces[stream] = (stamp, text)
            elif stamp >= self._since:
                yield b"%b %b\n" % (stamp, text) if self._timestamps else text + b"\n"


class LogStream:
    """A response of the log endpoint: an iterator of chunks that any thread may close."""

    def __init__(
        self, chunks: Callable[[Event, Callable[[], bool]], Iterator[bytes]], wake: Event, forget: Callable[[], None]
    ) -> None:
        self._closed = False
        self._wake = wake
        self._forget = forget
        self._chunks = chunks(wake, lambda: self._closed)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except BaseException:
            self._forget()
            raise

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self._wake.set()
        self._forget()


class PodLogs:
    """The `LogSource` of the API server: the logs of this node's pods."""

    def __init__(self, pods: Path, changes: DirWatch) -> None:
        self._pods = pods
        self._changes = changes

    def open(
        self,
        pod: KubeObject,
        *,
        container: str,
        follow: bool,
        timestamps: bool,
        tail_lines: int | None,
        since_time: str | None,
        limit_bytes: int | None,
        previous: bool,
    ) -> LogStream:
        """Return the log of `pod`. Raises `errors.BadRequest`, with kubelet's message, if there is none."""
        run = self._run(pod, container, previous=previous)
        lines = LineFilter(timestamps=timestamps, since_time=since_time)

        def chunks(wake: Event, closed: Callable[[], bool]) -> Iterator[bytes]:
            blocks = _blocks(run, lines, tail_lines, wake if follow else None, closed)
            return blocks if limit_bytes is None else _limited(blocks, limit_bytes)

        wake = Event()
        forget = self._changes.add(run.log, wake.set) if follow else _do_nothing
        return LogStream(chunks, wake, forget)

    def _run(self, pod: KubeObject, container: str, *, previous: bool) -> Run:
        spec, name = pod["spec"], pod["metadata"]["name"]
        containers = [one["name"] for one in spec["containers"]]
        container = container or containers[0]
        if container not in [*containers, *(one["name"] for one in spec.get("initContainers") or ())]:
            raise bad_request(f"container {container} is not valid for pod {name}")
        runs = Sandbox(self._pods / pod["metadata"]["uid"]).runs(container)
        runs = [run for run in runs if run.pids() is not None or run.exit() is not None]
        if previous:
            if len(runs) < 2 and not (runs and _is_backing_off(pod, container)):
                raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
            return runs[-1] if _is_backing_off(pod, container) else runs[-2]
        if not runs:
            reason = _waiting_reason(pod, container)
            raise bad_request(
                f'container "{container}" in pod "{name}" is waiting to start: {reason or "ContainerCreating"}'
            )
        return runs[-1]


def all_lines(run: Run) -> Iterator[bytes]:
    """Yield all lines of a run's log with timestamps, without line ends."""
    for block in _blocks(run, LineFilter(timestamps=True), None, None, lambda: False):
        yield from block[:-1].split(b"\n")


def _waiting_reason(pod: KubeObject, container: str) -> str:
    """Return the waiting reason of a container in its pod's status."""
    status = pod.get("status") or {}
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if one["name"] == container:
            return str(((one.get("state") or {}).get("waiting") or {}).get("reason", ""))
    return ""


def _is_backing_off(pod: KubeObject, container: str) -> bool:
    """Return whether the container is in back-off, in which case its newest run is the "previous" one."""
    return _waiting_reason(pod, container) == "CrashLoopBackOff"


def normalize_time(time: str) -> str:
    """Return an RFC 3339 time in the shim's format (UTC, nine digits), so that the two compare as text.

    >>> normalize_time("2026-01-02T03:04:05+01:00")
    '2026-01-02T02:04:05.000000000Z'
    """
    match = _TIME.fullmatch(time)
    if match is None:
        raise bad_request(f'invalid sinceTime "{time}": expected RFC 3339, as in 2026-01-02T03:04:05Z')
    whole = dt.datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")).astimezone(dt.timezone.utc)
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + f".{(match[2] or '').ljust(9, '0')}Z"


def _blocks(
    run: Run, lines: LineFilter, tail: int | None, wake: Event | None, closed: Callable[[], bool]
) -> Iterator[bytes]:
    reader = LogReader(run.log)
    try:
        if tail is not None:
            last: deque[bytes] = deque(maxlen=tail)
            while raw := reader.read():
                last.extend(lines.convert(raw))
            yield from _chunk(last)
        while not closed():
            if wake is not None:
                wake.clear()
            ended = run.state() is not State.RUNNING
            while (raw := reader.read()) and not closed():
                yield from _chunk(lines.convert(raw))
            if wake is None or ended:
                return
            wake.wait()
    finally:
        reader.close()


def _chunk(lines: Iterable[bytes]) -> Iterator[bytes]:
    block = b"".join(lines)
    if block:
        yield block


def _limited(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:limit]
        limit -= len(chunk)
        if limit <= 0:
            return


def _do_nothing() -> None:
    """Do nothing."""
