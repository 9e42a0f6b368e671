"""Pods with several containers and restarted containers, as real processes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import EVENTS, PODS, KubeObject
from jupyter_trainjob.cluster.agent.containers.container_run import MACHINE_RESTARTED, Run
from tests.unit.cluster.agent.cluster import Cluster

LOOP = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"


class Clock:
    """Real time plus an offset that a test sets."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def shell(name: str, code: str, **more: Any) -> KubeObject:
    return {"name": name, "image": "none", "command": ["sh", "-c", code], "workingDir": "/", **more}


def run(cluster: Cluster, *containers: KubeObject, init: tuple[KubeObject, ...] = (), **options: Any) -> KubeObject:
    return cluster.run(containers=list(containers), initContainers=list(init), **options)


def states(cluster: Cluster) -> dict[str, KubeObject]:
    """Return the state of each container by name."""
    status = cluster.get().get("status") or {}
    statuses = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return {one["name"]: one for one in statuses}


def until(cluster: Cluster, predicate: Callable[[dict[str, KubeObject]], Any]) -> dict[str, KubeObject]:
    cluster.api.wait(lambda: states(cluster) and predicate(states(cluster)))
    return states(cluster)


def reasons(cluster: Cluster) -> list[str]:
    return [one["reason"] for one in cluster.client.list(EVENTS, namespace="default").items]


def condition(cluster: Cluster, name: str) -> KubeObject:
    (match,) = [one for one in cluster.get()["status"]["conditions"] if one["type"] == name]
    return {key: value for key, value in match.items() if key not in ("type", "lastTransitionTime")}


def look_again(cluster: Cluster) -> None:
    """Trigger the agent's reconciliation of the pod, as any change of the pod does."""
    stamp = datetime.now(timezone.utc).isoformat()
    cluster.client.patch(PODS, "pod", {"metadata": {"annotations": {"touched": stamp}}}, namespace="default")


def test_init_containers_run_in_order_and_share_files(cluster: Cluster) -> None:
    cluster.agent()
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/shared"}]}
    run(
        cluster,
        shell("main", "cat /shared/text; echo main", **mount),
        init=(
            shell("one", "echo one >> /shared/text", **mount),
            shell("two", "echo two >> /shared/text; echo said by two", **mount),
        ),
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    assert cluster.ended()["exitCode"] == 0
    assert cluster.log() == "one\ntwo\nmain\n"
    assert cluster.log(container="two") == "said by two\n"
    by_name = states(cluster)
    assert [by_name[name]["ready"] for name in ("one", "two", "main")] == [True, True, False]
    assert all(by_name[name]["state"]["terminated"]["reason"] == "Completed" for name in by_name)
    assert condition(cluster, "Initialized") == {"status": "True", "reason": "PodCompleted"}
    cluster.api.wait(lambda: reasons(cluster) == ["Pulled", "Created", "Started"] * 3)


def test_init_container_that_fails_fails_the_pod(cluster: Cluster) -> None:
    cluster.agent()
    run(cluster, shell("main", "true"), init=(shell("one", "exit 4"), shell("two", "true")))
    status = cluster.until("Failed")["status"]
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    assert status["initContainerStatuses"][1]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert condition(cluster, "Initialized") == {
        "status": "False",
        "reason": "ContainersNotInitialized",
        "message": "containers with incomplete status: [one two]",
    }
    assert condition(cluster, "Ready") == {"status": "False", "reason": "PodFailed"}
    with pytest.raises(errors.BadRequest, match='container "main" in pod "pod" is waiting to start: PodInitializing'):
        cluster.log()


def test_sidecar_runs_until_the_other_containers_ended(cluster: Cluster, tmp_path: Path) -> None:
    cluster.agent()
    side = shell("side", LOOP, restartPolicy="Always")
    run(cluster, shell("main", f"until test -e {tmp_path}/go; do sleep 0.02; done; exit 3"), init=(side,))
    containers = until(cluster, lambda containers: "running" in containers["main"]["state"])
    assert containers["side"]["started"]
    assert condition(cluster, "Ready") == {"status": "True"}
    (tmp_path / "go").touch()
    status = cluster.until("Failed")["status"]
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    # The whole group was told to end: the shell may say so of its sleep.
    lines = [line for line in cluster.log(container="side").splitlines() if line != "Terminated"]
    assert lines[:2] == ["up", "bye"]
    cluster.api.wait(lambda: "Killing" in reasons(cluster))


def test_deleted_pod_ends_its_sidecars_last(cluster: Cluster, tmp_path: Path) -> None:
    cluster.agent()
    script = "trap 'echo {0} >> {1}/order; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    sidecars = [shell(name, script.format(name, tmp_path), restartPolicy="Always") for name in ("first", "second")]
    slow = f"trap 'sleep 0.3; echo main >> {tmp_path}/order; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    run(cluster, shell("main", slow), init=tuple(sidecars))

    def is_up(name: str) -> bool:
        return cluster.newest(container=name).pids() is not None and "up" in cluster.log(container=name)

    cluster.api.wait(lambda: all(map(is_up, ("first", "second", "main"))))
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=30)
    cluster.api.wait(lambda: cluster.client.find(PODS, "pod", namespace="default") is None)
    assert (tmp_path / "order").read_text().split() == ["main", "second", "first"]


def test_containers_of_a_pod_end_independently(cluster: Cluster, tmp_path: Path) -> None:
    cluster.agent()
    wait = f"until test -e {tmp_path}/go; do sleep 0.02; done; exit 3"
    run(cluster, shell("a", "echo a; hostname"), shell("b", wait))
    until(
        cluster, lambda containers: "terminated" in containers["a"]["state"] and "running" in containers["b"]["state"]
    )
    assert cluster.phase() == "Running"
    assert condition(cluster, "ContainersReady") == {
        "status": "False",
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [a]",
    }
    (tmp_path / "go").touch()
    status = cluster.until("Failed")["status"]
    assert [one["state"]["terminated"]["exitCode"] for one in status["containerStatuses"]] == [0, 3]
    assert cluster.log(container="a").startswith("a\n")


def test_crashed_container_restarts_after_a_pause(cluster: Cluster, tmp_path: Path) -> None:
    clock = Clock()
    cluster.agent(clock=clock)
    code = f"echo + >> {tmp_path}/runs; echo run $(wc -l < {tmp_path}/runs); test $(wc -l < {tmp_path}/runs) -ge 4"
    run(cluster, shell("main", code), restartPolicy="OnFailure")
    main = until(cluster, lambda containers: "waiting" in containers["main"]["state"])["main"]
    assert main["restartCount"] == 1
    assert main["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert main["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=main pod=pod_default("
    )
    assert main["lastState"]["terminated"]["exitCode"] == 1
    assert cluster.phase() == "Running"
    assert cluster.log() == "run 2\n"
    clock.ahead = 11
    look_again(cluster)
    main = until(
        cluster, lambda containers: containers["main"]["restartCount"] == 2 and "waiting" in containers["main"]["state"]
    )["main"]
    assert main["state"]["waiting"]["message"].startswith("back-off 20s ")
    clock.ahead = 32
    look_again(cluster)
    assert cluster.ended()["exitCode"] == 0
    assert cluster.phase() == "Succeeded"
    assert states(cluster)["main"]["restartCount"] == 3
    assert (cluster.log(), cluster.log(previous=True)) == ("run 4\n", "run 3\n")
    assert [one.attempt for one in cluster.box().runs("main")] == [2, 3]
    cluster.api.wait(lambda: "BackOff" in reasons(cluster))


def test_restarted_agent_continues_the_restart_count(cluster: Cluster, tmp_path: Path) -> None:
    first = cluster.agent()
    run(cluster, shell("main", f"echo + >> {tmp_path}/runs; exit 1"), restartPolicy="Always")
    until(cluster, lambda containers: "waiting" in containers["main"]["state"])
    first.stop()
    clock = Clock()
    clock.ahead = 11
    cluster.agent(clock=clock)
    containers = until(
        cluster, lambda containers: containers["main"]["restartCount"] == 2 and "waiting" in containers["main"]["state"]
    )
    assert containers["main"]["state"]["waiting"]["message"].startswith("back-off 20s ")
    assert (tmp_path / "runs").read_text().split() == ["+"] * 3


def test_pod_of_crashing_containers_can_be_deleted(cluster: Cluster) -> None:
    cluster.agent()
    run(cluster, shell("main", "exit 1"), restartPolicy="Always")
    until(cluster, lambda containers: "waiting" in containers["main"]["state"])
    cluster.client.delete(PODS, "pod", namespace="default")
    cluster.api.wait(lambda: not list((cluster.root / "pods").iterdir()))


def test_container_that_cannot_start_is_retried(cluster: Cluster) -> None:
    cluster.agent()
    run(cluster, {"name": "main", "command": ["no-such-command"]}, restartPolicy="Always")
    main = until(cluster, lambda containers: "waiting" in containers["main"]["state"])["main"]
    assert main["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert main["lastState"]["terminated"]["reason"] == "StartError"
    cluster.api.wait(lambda: "Failed" in reasons(cluster))


def test_deadline_ends_the_pod_within_its_grace_period(cluster: Cluster) -> None:
    clock = Clock()
    cluster.agent(clock=clock)
    run(cluster, shell("main", "echo up; exec sleep 300"), activeDeadlineSeconds=60, terminationGracePeriodSeconds=1)
    until(cluster, lambda containers: "running" in containers["main"]["state"])
    clock.ahead = 61
    look_again(cluster)
    status = cluster.until("Failed")["status"]
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == "Pod was active on the node longer than the specified deadline"
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
    kinds = {one["reason"]: one["type"] for one in cluster.client.list(EVENTS, namespace="default").items}
    assert kinds["DeadlineExceeded"] == "Normal"


def test_deadline_ends_a_crashed_pod(cluster: Cluster) -> None:
    clock = Clock()
    cluster.agent(clock=clock)
    run(cluster, shell("main", "exit 1"), activeDeadlineSeconds=5, restartPolicy="Always")
    until(cluster, lambda containers: "waiting" in containers["main"]["state"])
    clock.ahead = 5
    look_again(cluster)
    status = cluster.until("Failed")["status"]
    assert status["reason"] == "DeadlineExceeded"
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 1


def test_termination_message_falls_back_to_the_end_of_the_log(cluster: Cluster) -> None:
    cluster.agent()
    words = shell("said", "echo mine > /dev/termination-log; echo text; exit 1")
    quiet = shell("quiet", "echo one; echo two; exit 1")
    good = shell("good", "echo text")
    policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    run(cluster, *({**one, **policy} for one in (words, quiet, good)))
    cluster.until("Failed")
    messages = {name: one["state"]["terminated"].get("message") for name, one in states(cluster).items()}
    assert messages["quiet"] == "one\ntwo\n"
    assert messages["good"] is None


def restart_machine(run: Run) -> None:
    """Change a run's folder as a restart of the computer does."""
    cluster_pids: Any = run.pids()
    for one in ("shim", "program"):
        cluster_pids[one]["boot"] = "another"
    (run.folder / "pid.json").write_text(json.dumps(cluster_pids))


RESTARTS: dict[str, tuple[str, int]] = {"a pod that is not restarted": ("Never", 1), "one that is": ("OnFailure", 2)}


@pytest.mark.parametrize(("policy", "starts"), RESTARTS.values(), ids=list(RESTARTS))
@pytest.mark.parametrize("lost", ["kept", "lost"])
def test_containers_after_a_computer_restart(
    cluster: Cluster, tmp_path: Path, policy: str, starts: int, lost: str
) -> None:
    agent = cluster.agent()
    run(
        cluster,
        shell("main", f"echo + >> {tmp_path}/runs; until test -e {tmp_path}/go; do sleep 0.02; done"),
        restartPolicy=policy,
    )
    until(cluster, lambda containers: "running" in containers["main"]["state"])
    cluster.api.wait((tmp_path / "runs").exists)
    agent.stop()
    one = cluster.newest(container="main")
    one.request_stop(0.0)
    one.wait()
    (one.folder / "exit.json").unlink()
    if lost == "lost":
        one.remove()
    else:
        restart_machine(one)
    cluster.agent()
    if policy == "Never":
        status = cluster.until("Failed")["status"]
        assert status["reason"] == MACHINE_RESTARTED
        assert "the computer was restarted" in status["message"]
        assert condition(cluster, "DisruptionTarget")["status"] == "True"
    else:
        containers = until(
            cluster,
            lambda containers: "running" in containers["main"]["state"] and containers["main"]["restartCount"] == 1,
        )
        assert containers["main"]["lastState"]["terminated"]["reason"] == MACHINE_RESTARTED
        (tmp_path / "go").touch()
        assert cluster.ended()["exitCode"] == 0
    assert (tmp_path / "runs").read_text().split() == ["+"] * starts


def test_killed_shim_of_a_container_that_is_restarted(cluster: Cluster, tmp_path: Path) -> None:
    cluster.agent()
    run(cluster, shell("main", f"until test -e {tmp_path}/go; do sleep 0.02; done"), restartPolicy="OnFailure")
    until(cluster, lambda containers: "running" in containers["main"]["state"])
    pids: Any = cluster.newest(container="main").pids()
    psutil.Process(pids["shim"]["pid"]).kill()
    containers = until(
        cluster, lambda containers: containers["main"]["restartCount"] == 1 and "running" in containers["main"]["state"]
    )
    assert containers["main"]["lastState"]["terminated"]["reason"] == "ShimLost"
    (tmp_path / "go").touch()
    assert cluster.ended()["exitCode"] == 0


@pytest.mark.parametrize(
    "probe", [{"tcpSocket": {"port": "unheard-of"}}, {"httpGet": {"port": 80, "path": "/\u00e4"}}], ids=["port", "path"]
)
def test_unsupported_probe_leaves_the_pod_running_and_not_ready(cluster: Cluster, probe: KubeObject) -> None:
    cluster.agent()
    run(cluster, shell("main", LOOP, readinessProbe=probe), terminationGracePeriodSeconds=1)
    cluster.until("Running")
    cluster.api.wait(lambda: "Unhealthy" in reasons(cluster))
    assert condition(cluster, "Ready")["status"] == "False"
    assert cluster.phase() == "Running"


def test_pod_is_ready_when_its_port_is_open(cluster: Cluster, tmp_path: Path) -> None:
    cluster.agent()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"""
import pathlib, socket, time
while not pathlib.Path({str(tmp_path / "go")!r}).exists():
    time.sleep(0.02)
server = socket.create_server(("0.0.0.0", {port}))
time.sleep(60)
"""
    probe = {"tcpSocket": {"port": "web"}, "periodSeconds": 1}
    container = {"readinessProbe": probe, "ports": [{"name": "web", "containerPort": port}]}
    cluster.script(code, container=container, terminationGracePeriodSeconds=1)
    cluster.until("Running")
    cluster.api.wait(lambda: "Unhealthy" in reasons(cluster))
    assert condition(cluster, "Ready")["status"] == "False"
    (tmp_path / "go").touch()
    cluster.api.wait(lambda: condition(cluster, "Ready")["status"] == "True")
