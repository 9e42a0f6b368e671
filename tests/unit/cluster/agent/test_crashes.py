"""Killed shims and agents: programs run exactly once, and their exit is reported correctly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, SECRETS, KubeObject
from jupyter_trainjob.cluster.agent.containers.container_run import State
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request
from tests.paths import ROOT

from .cluster import SECONDS, Answer, Api, Cluster, pod, refused

AGENT = """
import json, pathlib, sys
from tests.unit.cluster.agent.cluster import PODS, Cluster
cluster = Cluster(pathlib.Path(sys.argv[1]))
cluster.agent()
cluster.client.create(PODS, json.loads(sys.argv[2]), namespace="default")
print(json.dumps(cluster.until("Running")), flush=True)
sys.stdin.read()
"""
COUNTED = """
import pathlib, sys, time
folder = pathlib.Path({folder!r})
(folder / 'starts').open('a').write('+')
print('began', flush=True)
while not (folder / 'go').exists():
    time.sleep(0.02)
print('ended', flush=True)
sys.exit(5)
"""


def counted(folder: Path) -> str:
    return COUNTED.format(folder=str(folder))


def killed_agent(cluster: Cluster, code: str, **options: Any) -> KubeObject:
    """Run a pod under an agent in a separate process, kill the agent, and return the pod as it was then."""
    command = [sys.executable, "-c", AGENT, str(cluster.root), json.dumps(pod("python", "-c", code, **options))]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    with process:
        assert process.stdout is not None
        running: KubeObject = json.loads(process.stdout.readline())
        process.kill()
    return running


def program_of(cluster: Cluster) -> psutil.Process:
    pids = cluster.newest().pids()
    assert pids is not None
    return psutil.Process(pids["program"]["pid"])


def test_killed_shim_fails_the_pod_and_ends_the_program(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script("import time; print('ready', flush=True); time.sleep(300)")
    cluster.until_log("ready")
    program, pids = program_of(cluster), cluster.newest().pids()
    assert pids is not None
    os.kill(pids["shim"]["pid"], signal.SIGKILL)
    status = cluster.until("Failed")["status"]
    assert status["reason"] == "ShimLost"
    assert status["containerStatuses"][0]["state"]["terminated"]["reason"] == "ShimLost"
    program.wait(SECONDS)


def test_program_outlives_its_agent_and_the_next_agent_reports_its_exit(cluster: Cluster, tmp_path: Path) -> None:
    running = killed_agent(cluster, counted(tmp_path))
    cluster.client.create(PODS, running, namespace="default")
    cluster.agent()
    assert cluster.phase() == "Running"
    (tmp_path / "go").touch()
    assert cluster.ended()["exitCode"] == 5
    assert cluster.log() == "began\nended\n"
    assert (tmp_path / "starts").read_text() == "+"


def test_next_agent_continues_a_pod_with_several_containers(cluster: Cluster, tmp_path: Path) -> None:
    def one(name: str, code: str, **more: Any) -> KubeObject:
        return {"name": name, "command": ["sh", "-c", code], "workingDir": "/", **more}

    sidecar = one("side", "trap 'exit 0' TERM; while :; do sleep 0.05; done", restartPolicy="Always")
    first = one("first", f"echo + >> {tmp_path}/firsts")
    crash = one("crash", f"echo + >> {tmp_path}/crashes; until test -e {tmp_path}/go; do sleep 0.02; done; exit 1")
    good = one("good", f"echo + >> {tmp_path}/goods; until test -e {tmp_path}/go; do sleep 0.02; done")
    running = killed_agent(cluster, "", containers=[crash, good], initContainers=[first, sidecar])
    names = ("firsts", "crashes", "goods")
    cluster.api.wait(lambda: all((tmp_path / name).exists() for name in names))
    (tmp_path / "go").touch()
    cluster.client.create(PODS, running, namespace="default")
    cluster.newest(container="good").wait()
    cluster.agent()
    status = cluster.until("Failed")["status"]
    assert [one["state"]["terminated"]["exitCode"] for one in status["containerStatuses"]] == [1, 0]
    assert [one["state"]["terminated"]["exitCode"] for one in status["initContainerStatuses"]] == [0, 0]
    assert [(tmp_path / name).read_text().split() for name in names] == [["+"]] * 3


def test_program_that_ended_while_no_agent_ran_is_reported_and_not_started_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    running = killed_agent(cluster, counted(tmp_path))
    (tmp_path / "go").touch()
    cluster.client.create(PODS, running, namespace="default")
    cluster.newest().wait()
    cluster.agent()
    assert cluster.ended()["exitCode"] == 5
    assert (tmp_path / "starts").read_text() == "+"


def test_pod_that_was_removed_while_no_agent_ran_is_ended(cluster: Cluster, tmp_path: Path) -> None:
    killed_agent(cluster, counted(tmp_path))
    cluster.agent()
    cluster.api.wait(lambda: not list((cluster.root / "pods").iterdir()))


def test_shim_killed_while_no_agent_runs_is_reported(cluster: Cluster, tmp_path: Path) -> None:
    running = killed_agent(cluster, counted(tmp_path))
    cluster.client.create(PODS, running, namespace="default")
    cluster.api.wait((tmp_path / "starts").exists)
    pids = cluster.newest().pids()
    assert pids is not None
    os.kill(pids["shim"]["pid"], signal.SIGKILL)
    cluster.newest().wait()
    assert cluster.newest().state() is State.LOST
    cluster.agent()
    assert cluster.until("Failed")["status"]["reason"] == "ShimLost"
    assert (tmp_path / "starts").read_text() == "+"


def test_stopped_agent_leaves_programs_running_for_the_next(cluster: Cluster, tmp_path: Path) -> None:
    cluster.agent().stop()
    cluster.agent()
    cluster.script(counted(tmp_path))
    cluster.until_log("began")
    cluster.agents[-1].stop()
    cluster.agent()
    (tmp_path / "go").touch()
    assert cluster.ended()["exitCode"] == 5
    assert (tmp_path / "starts").read_text() == "+"


def test_second_agent_over_the_same_folder_is_rejected(cluster: Cluster) -> None:
    cluster.agent()
    with pytest.raises(errors.ClusterError, match="another agent"):
        cluster.agent()


def test_pod_deleted_during_agent_start_releases_only_its_own_lease(cluster: Cluster) -> None:
    deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
    # The agent meets them one after the other, the first one goes at once.
    for number in range(150):
        manifest = pod("true", name=f"pod-{number}")
        metadata = {**manifest["metadata"], "uid": f"uid-{number}", **({} if number else deleted)}
        ended = {**manifest, "metadata": metadata, "status": {"phase": "Succeeded"}}
        cluster.client.create(PODS, ended, namespace="default")
    (cluster.root / "ports.json").write_text(json.dumps({"uid-0/0": 20_000, "uid-149/0": 20_149}))
    cluster.agent()
    cluster.api.wait(lambda: "uid-0/0" not in json.loads((cluster.root / "ports.json").read_text()))
    assert json.loads((cluster.root / "ports.json").read_text()) == {"uid-149/0": 20_149}


def test_pods_that_were_deleted_before_the_agent_saw_them_never_start(cluster: Cluster, tmp_path: Path) -> None:
    for number in range(20):
        manifest = pod("sh", "-c", f"echo + >> {tmp_path}/starts", name=f"pod-{number}")
        metadata = {
            **manifest["metadata"],
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "deletionGracePeriodSeconds": 30,
        }
        cluster.client.create(PODS, {**manifest, "metadata": metadata}, namespace="default")
    cluster.agent()
    cluster.api.wait(lambda: not cluster.client.list(PODS).items)
    assert not (tmp_path / "starts").exists()


class Shaky:
    """An API that fails some times where Secrets are read."""

    def __init__(self, api: Api, fails: int) -> None:
        self._api = api
        self._fails = fails

    def send(self, request: Request, *, timeout: float | None = None) -> Answer:
        if request.method == "GET" and request.path.endswith("/secrets/key") and self._fails:
            self._fails -= 1
            return refused(500, "InternalError", "the disk is slow")
        return self._api.send(request, timeout=timeout)


def test_pod_waits_during_a_temporary_api_failure(cluster: Cluster) -> None:
    cluster.client = Client(Shaky(cluster.api, fails=1))
    cluster.agent()
    Client(cluster.api).create(SECRETS, {"metadata": {"name": "key"}, "data": {"a": "QQ=="}}, namespace="default")
    source = {"secretKeyRef": {"name": "key", "key": "a"}}
    cluster.run("sh", "-c", "echo $KEY", container={"env": [{"name": "KEY", "valueFrom": source}]})
    assert cluster.ended()["exitCode"] == 0
    assert cluster.log() == "A\n"
