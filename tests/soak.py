"""The soak: an embedded cluster is killed, restarted and flooded for as long as it is told to, and must stay right.

``scripts/test --soak``. Every round sends a job, kills something with -9 while it runs (by a seeded schedule), and
checks what the user gets: the right result, or an error that names the killed rank. Between rounds it floods the API
server with requests. In the end nothing may be left: no process, no pod folder, no lock. The report goes to
``tests/soak-report.md``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import jupyter_trainjob
from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, TRAINJOBS
from jupyter_trainjob.client import context
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.cluster import launch
from jupyter_trainjob.cluster.state import StateDir
from tests.embedded import embedded_cluster, kill_daemon, processes_of

REPORT = Path(__file__).parent / "soak-report.md"
REQUESTS_A_ROUND = 1_000
CELL = """
import time
for step in range(20):
    time.sleep(0.03)
    report(step=step + 1, total=20, loss=1 / (step + 1))
value * 2
"""


@dataclass
class Soak:
    """What happened so far."""

    state: StateDir
    random: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    wrong: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def round(self, number: int) -> None:
        """Run one job with one fault, and flood."""
        nodes = self.random.randint(1, 4)
        runtime = self.random.choice(["plain", "torch-distributed"])
        cell = prepare_cell(
            CELL, {"value": number}, filename=f"Cell [{number}]", options=Options(nodes=nodes, runtime=runtime)
        )
        job = send(cell)
        fault = self.random.choice([self.nothing, self.daemon, self.program, self.shim, self.fork_servers])
        time.sleep(self.random.uniform(0, 0.8))
        struck = fault()
        self.kills[fault.__name__ if struck else "nothing to kill"] += 1
        self.judge(job, number, struck and fault in (self.program, self.shim))
        job.delete()
        self.flood(job.namespace)
        daemon = launch.running(self.state)
        if daemon is not None:
            self.memory.append(psutil.Process(daemon.pid).memory_info().rss)

    def judge(self, job: jupyter_trainjob.TrainJob, number: int, may_fail: bool) -> None:
        """Check what the user gets of a job."""
        try:
            value = job.result(timeout=90)
        except errors.JobFailed as failed:
            self.outcomes["failed with its rank named"] += 1
            if not may_fail or failed.rank is None:
                self.wrong.append(f"round {number}: {failed}")
        except errors.TrainJobError as error:
            self.wrong.append(f"round {number}: {type(error).__name__}: {error}")
        else:
            self.outcomes["right result"] += 1
            steps = sorted(set(job.metrics()["step"]))
            if value != number * 2 or steps != list(range(1, 21)):
                self.wrong.append(f"round {number}: result {value!r}, steps {steps}")

    def flood(self, namespace: str) -> None:
        """Send many requests and see that writes are not lost."""
        client = context.connect().client
        name = f"flood-{self.random.randrange(10**9)}"
        client.create(CONFIGMAPS, {"metadata": {"name": name}, "data": {"n": "0"}}, namespace=namespace)
        for n in range(1, REQUESTS_A_ROUND // 2):
            client.patch(CONFIGMAPS, name, {"data": {"n": str(n)}}, namespace=namespace)
            client.list(TRAINJOBS, namespace=namespace)
        if client.get(CONFIGMAPS, name, namespace=namespace)["data"]["n"] != str(REQUESTS_A_ROUND // 2 - 1):
            self.wrong.append("a write was lost")
        client.delete(CONFIGMAPS, name, namespace=namespace)
        self.requests += REQUESTS_A_ROUND

    def nothing(self) -> bool:
        """Leave everything alone."""
        return True

    def daemon(self) -> bool:
        """Kill the daemon."""
        kill_daemon(self.state)
        return True

    def program(self) -> bool:
        """Kill a pod's program."""
        return self._kill("program")

    def shim(self) -> bool:
        """Kill a pod's shim."""
        return self._kill("shim")

    def fork_servers(self) -> bool:
        """Kill the daemon's children that pods are forked from."""
        daemon = launch.running(self.state)
        children = psutil.Process(daemon.pid).children() if daemon is not None else []
        servers = [child for child in children if "forkserver" in " ".join(child.cmdline())]
        for server in servers:
            server.kill()
        return bool(servers)

    def _kill(self, who: str) -> bool:
        """Kill one process of a pod that still runs."""
        for file in (self.state.agent / "pods").glob("*/run/*/*/pid.json"):
            if file.with_name("exit.json").exists():
                continue
            with suppress(OSError, ValueError, KeyError):
                os.kill(json.loads(file.read_bytes())[who]["pid"], signal.SIGKILL)
                return True
        return False

    def report(self, minutes: float, seed: int) -> str:
        """Return what happened as Markdown."""

        def counted(counter: Counter[str]) -> str:
            return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())

        first, last = self.memory[0] >> 20, self.memory[-1] >> 20
        lines = [
            "# The last soak",
            "",
            f"{minutes:.0f} minutes on {os.cpu_count()} cores, seed {seed}.",
            "",
            f"- jobs: {counted(self.outcomes)}",
            f"- killed with -9: {counted(self.kills)}",
            f"- requests: {self.requests:,}",
            f"- memory of the daemon: {first} MiB after the first round, {last} MiB after the last",
            f"- wrong: {len(self.wrong)}",
            *(f"  - {line.splitlines()[0]}" for line in self.wrong[:20]),
        ]
        return "\n".join(lines) + "\n"


def main() -> int:
    """Soak; 0 if nothing was wrong."""
    minutes = float(os.environ.get("TRAINJOB_SOAK_MINUTES", "60"))
    seed = int(os.environ.get("TRAINJOB_SOAK_SEED", "1"))
    end = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory(prefix="trainjob-soak-") as folder, embedded_cluster(Path(folder) / "s") as state:
        soak = Soak(state, random.Random(seed))
        launch.ensure(state)
        number = 0
        while time.monotonic() < end:
            number += 1
            soak.round(number)
            print(f"\rround {number}: {dict(soak.outcomes)}, wrong {len(soak.wrong)}", end="", flush=True)
    if left := processes_of(state):
        soak.wrong.append(f"{len(left)} processes are left")
    text = soak.report(minutes, seed)
    REPORT.write_text(text)
    print(f"\n{text}")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
