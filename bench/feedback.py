"""Time from Run to the card and to the first point of a curve, and the cost of the imports after ``%load_ext``.

The peer writes the same loop to TensorBoard from the same kernel and flushes each point. Its file is read continuously;
TensorBoard's own page reads it every 5 seconds at best.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from pathlib import Path

from bench.jobs import cluster
from bench.kernel import Kernel, first_point, is_card, kernel
from bench.table import Row

_LOAD = "%load_ext jupyter_trainjob"
_LOOP = "import time\nfor step in range(20):\n    {report}\n    time.sleep(0.05)"
_PRELOADING = "import threading\nprint(any(each.name == 'trainjob-preload' for each in threading.enumerate()))"
_OTHER = "sum(i * i for i in range(200_000))"


def rows(repeat: int = 5) -> list[Row]:
    """Measure the times in seconds."""
    cold, first, quiet, many_nodes = (_Samples(), _Samples(), _Samples(), _Samples())
    for _ in range(max(2, repeat // 2)):
        with cluster(), kernel() as front:
            front.run(_LOAD)
            cold.add(_job(front))
    with cluster():
        for _ in range(repeat):
            with kernel() as front:
                front.run(_LOAD)
                first.add(_job(front))
                front.run("watched.wait()")
        with kernel() as front:
            front.run(_LOAD)
            for _ in range(repeat + 1):
                quiet.add(_job(front))
                front.run("watched.wait()\nwatched.delete()")
                time.sleep(1.0)
            for _ in range(max(2, repeat // 2)):
                many_nodes.add(_job(front, nodes=64))
                front.run("watched.wait()\nwatched.delete()")
    with kernel() as front:
        theirs_first = [_tensorboard(front)]
        theirs = [_tensorboard(front) for _ in range(repeat)]
    during_imports, alone = _other_cells(repeat)
    peer = "TensorBoard, from the file"
    return [
        Row("Run → card: quiet kernel", quiet.card[1:], "s", "≤ 0.1 s"),
        Row("… first job of a kernel, sent right after `%load_ext`", first.card, "s", "≤ 0.1 s"),
        Row("… no daemon yet", cold.card, "s", "≤ 0.1 s"),
        Row("… 64 nodes", many_nodes.card, "s", "≤ 0.1 s"),
        Row("Run → first point: quiet kernel", quiet.point[1:], "s", "–", peer, theirs),
        Row("… first job of a kernel, sent right after `%load_ext`", first.point, "s", "–", peer, theirs_first),
        Row("… no daemon yet", cold.point, "s", "–", peer, theirs_first),
        Row("… 64 nodes", many_nodes.point, "s", "–"),
        Row("a cell right after `%load_ext`, while imports go on", during_imports, "s", "≤ 1.2 ×", "later", alone),
    ]


class _Samples:
    def __init__(self) -> None:
        self.card: list[float] = []
        self.point: list[float] = []

    def add(self, times: list[float]) -> None:
        self.card.append(times[0])
        self.point.append(times[1])


def _job(front: Kernel, *, nodes: int = 1) -> list[float]:
    loop = _LOOP.format(report="report(step=step, loss=0.5)")
    return front.message_times(f"%%trainjob watched --runtime plain --nodes {nodes}\n{loop}", is_card, first_point())


def _tensorboard(front: Kernel) -> float:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    with tempfile.TemporaryDirectory() as folder:
        loop = _LOOP.format(report="writer.add_scalar('loss', 0.5, step); writer.flush()")
        opened = f"from torch.utils.tensorboard import SummaryWriter\nwriter = SummaryWriter({folder!r})"
        cell = threading.Thread(target=front.run, args=(f"{opened}\n{loop}\nwriter.close()",))
        started_at = time.perf_counter()
        cell.start()
        while True:
            events = [event for path in Path(folder).glob("*tfevents*") for event in EventFileLoader(str(path)).Load()]
            if any(event.summary.value for event in events):
                break
            time.sleep(0.005)
        taken = time.perf_counter() - started_at
        cell.join()
    return taken


def _other_cells(repeat: int) -> tuple[list[float], list[float]]:
    """Return the seconds that a cell takes while modules are imported, and after the imports."""
    during_imports, alone = [], []
    for _ in range(repeat):
        with kernel() as front:
            front.run(_LOAD)
            during_imports.append(statistics.median(front.run(_OTHER) for _ in range(10)))
            while front.printed(_PRELOADING) == "True":
                time.sleep(0.5)
            alone.append(statistics.median(front.run(_OTHER) for _ in range(10)))
    return during_imports, alone
