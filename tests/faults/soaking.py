"""Rounds of jobs and faults from a seed: a minute in a test, hours in ``tests.soak``.

Every round sends a few jobs at once, kills some of what runs them with -9, and checks what the user gets: the right
result, or an error that names the killed rank. Then it deletes them, floods the API server with requests, and looks
whether anything is left: a process, a pod's folder, a leased port, an object.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field

import psutil

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, JOBS, JOBSETS, PODS, SECRETS, SERVICES, TRAINJOBS
from jupyter_trainjob.client import context
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.faults.strikes import DAEMON, FORK_SERVERS, PROGRAM, SHIM, Running, runs, strike
from tests.waiting import patience, wait_for

CELL = """
import time
for step in range(20):
    time.sleep(0.03)
    report(step=step + 1, total=20, loss=1 / (step + 1))
value * 2
"""
STRIKES = ((), (DAEMON,), (FORK_SERVERS,), (SHIM,), (PROGRAM,))
RESULT_SECONDS = patience(120)
OBJECTS = (TRAINJOBS, JOBSETS, JOBS, PODS, SERVICES, SECRETS, CONFIGMAPS)


@dataclass
class Soak:
    """Jobs, faults and findings so far; each round sends `flood` requests after its jobs."""

    state: StateDir
    chance: random.Random
    flood: int = 1_000
    kills: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    wrong: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    seen: dict[int, Running] = field(default_factory=dict)
    """The runs of this round by the pid of their program."""

    def round(self, number: int) -> None:
        """Run jobs with faults, send many requests, and check what remains."""
        jobs = [self._send(number * 10 + index) for index in range(self.chance.randint(1, 3))]
        time.sleep(self.chance.uniform(0, 1.0))
        may_fail = self._strike()
        for value, job in jobs:
            self._judge(job, value, may_fail=job.name in may_fail, number=number)
        self._note_runs()
        for _, job in jobs:
            job.delete()
        self._flood(number)
        self._look_for_remains(number)
        self._measure()

    def _send(self, value: int) -> tuple[int, TrainJob]:
        options = job_options(
            nodes=self.chance.randint(1, 3), runtime=self.chance.choice(["plain", "torch-distributed"])
        )
        return value, send(prepare_cell(CELL, {"value": value}, filename=f"Cell [{value}]", options=options))

    def _strike(self) -> set[str]:
        """Kill processes of one kind or of several; return the jobs that may fail because of it."""
        self._note_runs()
        kinds = list(self.chance.choice(STRIKES))
        if self.chance.random() < 0.3:
            kinds = self.chance.sample([DAEMON, FORK_SERVERS, SHIM, PROGRAM], self.chance.randint(2, 4))
        struck, may_fail = [], set[str]()
        for kind in kinds:
            victims = strike(self.state, kind, self.chance)
            if victims is not None:
                struck.append(kind)
                may_fail |= set(victims)
        self.kills[" + ".join(sorted(struck)) or "nothing"] += 1
        return may_fail

    def _judge(self, job: TrainJob, value: int, *, may_fail: bool, number: int) -> None:
        """Check the outcome of a job."""
        try:
            result = job.result(timeout=RESULT_SECONDS)
        except errors.JobFailed as failed:
            self.outcomes["failed with its rank named"] += 1
            if not may_fail or failed.rank is None:
                self.wrong.append(f"round {number}: {failed}")
        except errors.TrainJobError as error:
            self.wrong.append(f"round {number}: {type(error).__name__}: {error}")
        else:
            self.outcomes["right result"] += 1
            steps = sorted(set(job.metrics()["step"]))
            if result != value * 2 or steps != list(range(1, 21)):
                self.wrong.append(f"round {number}: result {result!r}, steps {steps}")

    def _flood(self, number: int) -> None:
        """Send many requests and check that no write is lost."""
        if not self.flood:
            return
        client, namespace = context.connect().client, "default"
        name = f"flood-{self.chance.randrange(10**9)}"
        client.create(CONFIGMAPS, {"metadata": {"name": name}, "data": {"n": "0"}}, namespace=namespace)
        for n in range(1, self.flood // 2):
            client.patch(CONFIGMAPS, name, {"data": {"n": str(n)}}, namespace=namespace)
            client.list(TRAINJOBS, namespace=namespace)
        if client.get(CONFIGMAPS, name, namespace=namespace)["data"]["n"] != str(self.flood // 2 - 1):
            self.wrong.append(f"round {number}: a write was lost")
        client.delete(CONFIGMAPS, name, namespace=namespace)
        self.requests += self.flood

    def _note_runs(self) -> None:
        self.seen |= {run.pids[PROGRAM]["pid"]: run for run in runs(self.state)}

    def _look_for_remains(self, number: int) -> None:
        try:
            wait_for(lambda: not self.remains())
        except AssertionError:
            self.wrong.append(f"round {number}: left {self.remains()}")
        self.seen.clear()

    def remains(self) -> list[str]:
        """Return the remains of deleted jobs."""
        client = context.connect().client
        remaining = [f"{kind.kind} {obj['metadata']['name']}" for kind in OBJECTS for obj in client.list(kind).items]
        remaining += [f"processes of {run.folder}" for run in self.seen.values() if run.lives]
        remaining += [f"folder {folder.name}" for folder in (self.state.agent / "pods").iterdir()]
        ports = self.state.agent / "ports.json"
        if ports.exists() and ports.read_text().strip() not in {"", "{}"}:
            remaining.append(f"leased ports {ports.read_text()}")
        return remaining

    def _measure(self) -> None:
        daemon = launcher.running_daemon(self.state)
        if daemon is not None:
            process = psutil.Process(daemon.pid)
            self.memory.append(process.memory_info().rss)
            self.descriptors.append(process.num_fds())
            self.threads.append(process.num_threads())
