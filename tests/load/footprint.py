"""Resources of an embedded cluster on its host, and what remains of them after many short jobs.

``python -m tests.load.footprint 1000`` runs 1000 jobs, a few at a time, deletes each, and prints the footprint
after the first tenth and at the end. ``test_growth`` does the same with fewer jobs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from jupyter_trainjob.api.resources import ALL, EVENTS
from jupyter_trainjob.client import context
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.embedded import embedded_cluster, processes_of
from tests.waiting import patience, wait_for

AT_ONCE = 4


@dataclass(frozen=True)
class Footprint:
    """Resources of the daemon and its children, and files in the state folder."""

    memory: int
    """MiB of the daemon itself."""
    descriptors: int
    threads: int
    processes: int
    ports: int
    files: int
    objects: int
    """Of the API, events left out."""

    def __str__(self) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in asdict(self).items())


def footprint(state: StateDir) -> Footprint:
    """Measure the footprint now."""
    running = launcher.running_daemon(state)
    assert running is not None
    daemon = psutil.Process(running.pid)
    client = context.connect().client
    return Footprint(
        memory=daemon.memory_info().rss >> 20,
        descriptors=daemon.num_fds(),
        threads=daemon.num_threads(),
        processes=len(processes_of(state)),
        ports=sum(connection.status == psutil.CONN_LISTEN for connection in daemon.net_connections()),
        files=sum(1 for _ in state.root.rglob("*")),
        objects=sum(len(client.list(resource).items) for resource in ALL if resource != EVENTS),
    )


def settled(state: StateDir, limit: float = 30.0) -> Footprint:
    """Measure until the footprint no longer shrinks; deletions finish in the background."""
    samples: list[Footprint] = []

    def steady() -> bool:
        time.sleep(0.3)
        samples.append(footprint(state))
        counts = [
            (sample.descriptors, sample.threads, sample.processes, sample.files, sample.objects)
            for sample in samples[-4:]
        ]
        return len(counts) == 4 and len(set(counts)) == 1

    with suppress(AssertionError):
        wait_for(steady, limit=limit)
    return samples[-1]


def run_jobs(count: int, *, nodes: int = 1, runtime: str = "plain") -> Counter[str]:
    """Run short jobs and delete each; return their final states."""

    def one(number: int) -> str:
        cell = prepare_cell(
            "value * 2", {"value": number}, filename="Cell [1]", options=job_options(nodes=nodes, runtime=runtime)
        )
        job = send(cell)
        try:
            return "right" if job.result(timeout=patience(120)) == 2 * number else "wrong"
        finally:
            job.delete()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(one, range(count)))


def main() -> None:
    """Print the growth of the footprint over many jobs."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory(prefix="trainjob-load-") as folder, embedded_cluster(Path(folder) / "s") as state:
        launcher.ensure_daemon(state)
        print("before:", settled(state), flush=True)
        began = time.monotonic()
        for part in range(10):
            ended = run_jobs(count // 10)
            print(f"{(part + 1) * count // 10} jobs, {time.monotonic() - began:.0f} s, {dict(ended)}:", end=" ")
            print(settled(state), flush=True)


if __name__ == "__main__":
    main()
