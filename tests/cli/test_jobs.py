"""Jobs from a shell: what is printed for people, and what scripts may rely on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import jupyter_trainjob
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.client.snapshot import PHASES
from jupyter_trainjob.cluster.state import StateDir
from tests.cli.test_cluster import trainjob
from tests.embedded import embedded_cluster, wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateDir]:
    with embedded_cluster(tmp_path_factory.mktemp("cli") / "state") as found:
        yield found


def endless() -> None:
    import time

    from jupyter_trainjob import report

    print("begun", flush=True)
    for step in range(10_000):
        time.sleep(0.05)
        report(step=step + 1, total=10_000)


@pytest.fixture
def job(state: StateDir) -> Iterator[TrainJob]:
    """A job that goes on until it is stopped."""
    job = jupyter_trainjob.submit(endless, nodes=2, runtime="plain")
    # Its reports may be read before its status says that it runs.
    wait_for(lambda: (job.snapshot().step or 0) > 2 and job.status().value == "Running", timeout=60)
    yield job
    job.delete()


def test_a_running_job_is_listed_got_and_its_log_read(job: TrainJob) -> None:
    listed = json.loads(trainjob("list", "-o", "json").stdout)
    (one,) = [each for each in listed if each["name"] == job.name]
    assert (one["state"], one["nodes"], one["namespace"], one["context"]) == ("Running", 2, "default", "trainjob-local")
    assert job.name in trainjob("list").stdout

    told: list[Any] = []

    def heard() -> bool:
        """Return whether the command has heard of every node: it reads the logs by itself."""
        told.append(yaml.safe_load(trainjob("get", "endless", "-o", "yaml").stdout))
        return bool(told[-1]["step"]) and all(node["usage"] and node["ranks"] for node in told[-1]["pods"])

    wait_for(heard, timeout=60)
    got = told[-1]
    assert got["name"] == job.name
    assert got["step"] > 0
    assert [phase["name"] for phase in got["phases"]] == list(PHASES)
    assert [(node["state"], len(node["ranks"])) for node in got["pods"]] == [("Running", 1)] * 2
    assert all(0 < node["usage"]["memory"] < node["usage"]["memory_limit"] for node in got["pods"])
    assert "Running" in trainjob("get", job.name).stdout
    assert trainjob("logs", "endless", "--rank", "1").stdout == "begun\n"
    beyond = trainjob("logs", "endless", "--rank", "2")
    assert (beyond.returncode, beyond.stdout) == (1, "")
    assert "has no node 2: it has nodes 0 to 1" in beyond.stderr


def test_a_job_is_stopped_resumed_and_deleted(job: TrainJob) -> None:
    assert trainjob("stop", job.name).stdout == f"{job.name}: Stopped\n"
    assert trainjob("resume", job.name).returncode == 0
    wait_for(lambda: job.status().value == "Running", timeout=60)
    assert trainjob("delete", job.name, job.name).stdout == f"{job.name}: deleted\n"
    gone = trainjob("get", job.name)
    assert gone.returncode == 1
    assert "There is no job" in gone.stderr


def failing() -> None:
    raise ValueError("not today")


def test_a_failure_and_its_events_are_told(state: StateDir) -> None:
    job = jupyter_trainjob.submit(failing, runtime="plain")
    job.wait(timeout=60)
    got = json.loads(trainjob("get", job.name, "-o", "json").stdout)
    assert (got["state"], got["failure"]["headline"]) == ("Failed", "ValueError: not today")
    assert "not today" in trainjob("get", job.name).stdout
    events = json.loads(trainjob("events", job.name, "-o", "json").stdout)
    assert {"Scheduled", "BackoffLimitExceeded"} <= {event["reason"] for event in events}
    followed = trainjob("logs", job.name, "--follow")
    assert "ValueError: not today" in followed.stdout
    assert followed.returncode == 0


def test_runtimes_are_listed(state: StateDir) -> None:
    names = {runtime["name"] for runtime in json.loads(trainjob("runtimes", "-o", "json").stdout)}
    assert {"plain", "torch-distributed"} <= names


def test_the_context_of_the_environment_counts_and_is_named_where_it_is_wrong(state: StateDir) -> None:
    run = trainjob("list", TRAINJOB_CONTEXT="elsewhere", KUBECONFIG=os.devnull)
    assert run.returncode == 1
    assert "TRAINJOB_CONTEXT" in run.stderr
    assert trainjob("list", "--context", "trainjob-local", TRAINJOB_CONTEXT="elsewhere").returncode == 0


def test_the_doctor_says_what_it_sees_and_changes_nothing(state: StateDir) -> None:
    run = trainjob("doctor", "-o", "json", KUBECONFIG=os.devnull)
    checks = json.loads(run.stdout)
    assert {"state folder", "daemon", "isolation", "warm start"} <= {check["name"] for check in checks}
    assert run.returncode == int(any(check["verdict"] == "problem" for check in checks))
