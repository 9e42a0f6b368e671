"""The job commands: output for people, and JSON and exit codes for scripts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import jupyter_trainjob
from jupyter_trainjob.api.resources import TRAINJOBS
from jupyter_trainjob.client.context import connect
from jupyter_trainjob.client.snapshot import PHASES
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.cli.test_cluster import trainjob
from tests.embedded import embedded_cluster
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateDir]:
    with embedded_cluster(tmp_path_factory.mktemp("cli") / "state") as embedded:
        yield embedded


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
    wait_for(lambda: (job.snapshot().step or 0) > 2 and job.status().value == "Running")
    yield job
    job.delete()


@pytest.mark.journey
def test_list_get_and_logs_show_a_running_job(job: TrainJob) -> None:
    listed = json.loads(trainjob("list", "-o", "json").stdout)
    (one,) = [entry for entry in listed if entry["name"] == job.name]
    assert (one["state"], one["nodes"], one["namespace"], one["context"]) == ("Running", 2, "default", "trainjob-local")
    assert job.name in trainjob("list").stdout

    snapshots: list[Any] = []

    def has_read_logs() -> bool:
        """Return whether the command has read the logs of every node."""
        snapshots.append(yaml.safe_load(trainjob("get", "endless", "-o", "yaml").stdout))
        return bool(snapshots[-1]["step"]) and all(node["usage"] and node["ranks"] for node in snapshots[-1]["pods"])

    wait_for(has_read_logs)
    got = snapshots[-1]
    assert got["name"] == job.name
    assert got["step"] > 0
    here = ["preparing" if name == "image" else name for name in PHASES]  # No image is pulled on this computer.
    assert [phase["name"] for phase in got["phases"]] == here
    assert [(node["state"], len(node["ranks"])) for node in got["pods"]] == [("Running", 1)] * 2
    assert all(0 < node["usage"]["memory"] < node["usage"]["memory_limit"] for node in got["pods"])
    assert "Running" in trainjob("get", job.name).stdout
    assert trainjob("logs", "endless", "--rank", "1").stdout == "begun\n"
    beyond = trainjob("logs", "endless", "--rank", "2")
    assert (beyond.returncode, beyond.stdout) == (1, "")
    assert "has no node 2: it has nodes 0 to 1" in beyond.stderr


@pytest.mark.journey
def test_job_is_stopped_resumed_and_deleted(job: TrainJob) -> None:
    assert trainjob("stop", job.name).stdout == f"{job.name}: Stopped\n"
    assert trainjob("resume", job.name).returncode == 0
    wait_for(lambda: job.status().value == "Running")
    assert trainjob("delete", job.name, job.name).stdout == f"{job.name}: deleted\n"
    after_deletion = trainjob("get", job.name)
    assert after_deletion.returncode == 1
    assert "There is no job" in after_deletion.stderr


def failing() -> None:
    raise ValueError("not today")


@pytest.mark.journey
def test_get_and_events_show_a_failure(state: StateDir) -> None:
    job = jupyter_trainjob.submit(failing, runtime="plain")
    job.wait(timeout=patience(60))
    got = json.loads(trainjob("get", job.name, "-o", "json").stdout)
    assert (got["state"], got["failure"]["headline"]) == ("Failed", "ValueError: not today")
    assert "not today" in trainjob("get", job.name).stdout
    events = json.loads(trainjob("events", job.name, "-o", "json").stdout)
    assert {"Scheduled", "BackoffLimitExceeded"} <= {event["reason"] for event in events}
    followed = trainjob("logs", job.name, "--follow")
    assert "ValueError: not today" in followed.stdout
    assert followed.returncode == 0


def test_runtimes_lists_the_runtimes(state: StateDir) -> None:
    names = {runtime["name"] for runtime in json.loads(trainjob("runtimes", "-o", "json").stdout)}
    assert {"plain", "torch-distributed"} <= names


def test_context_of_the_environment_is_used_and_named_in_its_error(state: StateDir) -> None:
    run = trainjob("list", TRAINJOB_CONTEXT="elsewhere", KUBECONFIG=os.devnull)
    assert run.returncode == 1
    assert "TRAINJOB_CONTEXT" in run.stderr
    assert trainjob("list", "--context", "trainjob-local", TRAINJOB_CONTEXT="elsewhere").returncode == 0


def test_doctor_prints_checks_as_json(state: StateDir) -> None:
    run = trainjob("doctor", "-o", "json", KUBECONFIG=os.devnull)
    checks = json.loads(run.stdout)
    assert {"state folder", "daemon", "isolation", "warm start"} <= {check["name"] for check in checks}
    assert run.returncode == int(any(check["verdict"] == "problem" for check in checks))


IMPOSSIBLE = {
    "nodes": ({"numNodes": -2}, "spec.trainer.numNodes is -2; it must be at least 1"),
    "cpu": (
        {"numNodes": 1, "resourcesPerNode": {"requests": {"cpu": "-1"}}},
        "spec.trainer.resourcesPerNode.requests.cpu is -1; it must be at least 0",
    ),
}


@pytest.mark.parametrize(("trainer", "reason"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_invalid_job_of_another_tool_has_the_reason(state: StateDir, trainer: dict[str, Any], reason: str) -> None:
    client = connect().client
    spec = {"runtimeRef": {"name": "plain"}, "trainer": trainer}
    created = client.create(TRAINJOBS, {"metadata": {"name": "never", "namespace": "default"}, "spec": spec})
    try:
        wait_for(lambda: any(entry["type"] == "Warning" for entry in jupyter_trainjob.get("never").events()))
        (row,) = [
            entry
            for entry in json.loads(trainjob("list", "-o", "json").stdout)
            if entry["uid"] == created["metadata"]["uid"]
        ]
        assert (row["state"], row["nodes"]) == ("Queued", 1)
        assert reason in row["reason"]
        assert "it can never run: spec.trainer." in trainjob("list").stdout
        assert reason in trainjob("get", "never").stdout
        assert reason in jupyter_trainjob.get("never").status().reason
    finally:
        client.delete(TRAINJOBS, "never", namespace="default")


LINES = 6_000


def wordy() -> None:
    for number in range(LINES):
        print(f"line {number}")


def test_logs_counts_omitted_lines_and_all_prints_them(state: StateDir) -> None:
    job = jupyter_trainjob.submit(wordy, nodes=1, runtime="plain")
    job.wait(patience(60))
    stored = trainjob("logs", job.name)
    omitted = LINES - len(stored.stdout.splitlines())
    assert omitted > 0
    assert stored.stdout.splitlines()[-1] == f"0 | line {LINES - 1}"
    assert stored.stderr.startswith(f"{omitted} earlier lines of {job.name} are left out: ")
    assert f"`jupyter trainjob logs {job.name} --all`" in stored.stderr
    searched = trainjob("logs", job.name, "--pattern", "line 17$", "--regex")
    assert searched.stdout == ""
    assert "are left out and not searched" in searched.stderr
    whole = trainjob("logs", job.name, "--all")
    assert whole.stdout.splitlines() == [f"0 | line {number}" for number in range(LINES)]
    assert whole.stderr == ""
    both = trainjob("logs", job.name, "--all", "--follow")
    assert both.returncode == 1
    assert "read all lines first, then follow" in both.stderr
    alone = trainjob("logs", job.name, "--regex")
    assert alone.returncode == 1
    assert "add --pattern TEXT" in alone.stderr
    job.delete()
