"""Pods run as processes, and the exit of a process becomes the status of its pod."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api.resources import EVENTS, NODES, PODS
from jupyter_trainjob.constants import NODE_NAME, PYTHON_ANNOTATION, WORKDIR_ANNOTATION
from jupyter_trainjob.worker.protocol import TERMINATION_LOG_ENV
from tests.unit.cluster.agent.cluster import Cluster

ENDS: dict[str, tuple[str, str, int, str]] = {
    "a program that returns succeeds": ("print('hello')", "Succeeded", 0, "Completed"),
    "an exit code is reported": ("import sys; sys.exit(3)", "Failed", 3, "Error"),
    "a program that kills itself ends with 137": ("import os; os.kill(os.getpid(), 9)", "Failed", 137, "Error"),
    "a program that is terminated ends with 143": ("import os; os.kill(os.getpid(), 15)", "Failed", 143, "Error"),
    "an exception is an error": ("1 / 0", "Failed", 1, "Error"),
}


@pytest.mark.parametrize(("code", "phase", "exit_code", "reason"), ENDS.values(), ids=list(ENDS))
def test_exit_status(cluster: Cluster, code: str, phase: str, exit_code: int, reason: str) -> None:
    cluster.agent()
    cluster.script(code)
    end = cluster.ended()
    assert (cluster.phase(), end["exitCode"], end["reason"]) == (phase, exit_code, reason)


def test_status_equals_kubelets(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script("import time; time.sleep(60)")
    running = cluster.until("Running")["status"]
    conditions = {one["type"]: one["status"] for one in running["conditions"]}
    assert conditions == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
    }
    assert running["hostIP"] == "127.0.0.1"
    assert running["podIP"].startswith("127.")
    assert list(running["containerStatuses"][0]["state"]) == ["running"]
    assert running["containerStatuses"][0]["ready"]
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=1)
    cluster.api.wait(lambda: cluster.client.find(PODS, "pod", namespace="default") is None)


def test_other_conditions_are_kept(cluster: Cluster) -> None:
    scheduled = {"type": "PodScheduled", "status": "True"}
    created = cluster.script("pass")
    cluster.client.patch(
        PODS, "pod", {"status": {"conditions": [scheduled]}}, namespace=created["metadata"]["namespace"]
    )
    cluster.agent()
    cluster.ended()
    assert scheduled in cluster.get()["status"]["conditions"]


NOT_STARTED: dict[str, tuple[list[str], dict[str, str], int, str]] = {
    "a command that does not exist": (
        ["no-such-command"],
        {},
        128,
        'exec: "no-such-command": executable file not found in $PATH',
    ),
    "a path that does not exist": (["/no/such/file"], {}, 128, 'exec: "/no/such/file": no such file or directory'),
    "a file that is no program": (["/etc/passwd"], {}, 128, 'exec: "/etc/passwd": Permission denied'),
    "a working folder that does not exist": (
        ["true"],
        {"workingDir": "/no/such/folder"},
        128,
        'working directory "/no/such/folder": No such file or directory',
    ),
}


@pytest.mark.parametrize(("command", "container", "code", "message"), NOT_STARTED.values(), ids=list(NOT_STARTED))
def test_start_error(cluster: Cluster, command: list[str], container: dict[str, str], code: int, message: str) -> None:
    cluster.agent()
    cluster.run(*command, container=container)
    end = cluster.ended()
    assert (end["exitCode"], end["reason"], end["message"]) == (code, "StartError", message)


def test_output_keeps_the_order_of_each_stream_and_an_unterminated_last_line(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script("import sys; print('one'); print('two', file=sys.stderr, flush=True); print('three', end='')")
    cluster.ended()
    lines = cluster.log().splitlines()
    assert sorted(lines) == ["one", "three", "two"]
    assert lines.index("one") < lines.index("three")


def test_environment_is_clean_and_path_starts_with_the_interpreter(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "1")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    cluster.agent()
    env = [
        {"name": "MINE", "value": "x"},
        {"name": "BOTH", "value": "$(MINE)-$$-$(NOBODY)"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NOTE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['note']"}}},
    ]
    code = "import json, os, sys; print(json.dumps([dict(os.environ), sys.executable, os.getcwd()]))"
    annotations = {"note": "so", PYTHON_ANNOTATION: sys.executable, WORKDIR_ANNOTATION: str(tmp_path)}
    cluster.script(code, annotations=annotations, container={"env": env, "workingDir": ""})
    cluster.ended()
    environ, executable, folder = json.loads(cluster.log())
    assert executable == sys.executable
    assert folder == str(tmp_path)
    assert environ["PATH"].split(":")[0] == os.path.dirname(sys.executable)  # noqa: PTH120
    wanted = {"MINE": "x", "BOTH": "x-$-$(NOBODY)", "NAME": "pod", "NOTE": "so", "HOSTNAME": "pod"}
    assert {name: environ[name] for name in wanted} == wanted
    assert environ["ADDRESS"] == cluster.get()["status"]["podIP"]
    assert not {"SECRET_OF_THE_DAEMON", "PYTHONPATH"} & environ.keys()


def test_termination_message_becomes_the_message(cluster: Cluster) -> None:
    cluster.agent()
    path = f"os.environ.get('{TERMINATION_LOG_ENV}', '/dev/termination-log')"
    cluster.script(f"import os; open({path}, 'w').write('out of data'); raise SystemExit(2)")
    assert cluster.ended()["message"] == "out of data"


UNSUPPORTED: dict[str, tuple[dict[str, Any], str]] = {
    "a container without a command": ({"containers": [{"name": "a"}]}, "has no command"),
    "an init container without a command": ({"initContainers": [{"name": "a"}]}, "has no command"),
    "a volume of another kind": ({"volumes": [{"name": "v", "nfs": {}}]}, "nfs"),
}


@pytest.mark.parametrize(("options", "word"), UNSUPPORTED.values(), ids=list(UNSUPPORTED))
def test_unsupported_option_fails_the_pod_with_a_reason(cluster: Cluster, options: dict[str, Any], word: str) -> None:
    cluster.agent()
    cluster.run("true", **options)
    status = cluster.until("Failed")["status"]
    assert status["reason"].startswith("Unsupported")
    assert word in status["message"]
    event = cluster.api.wait(lambda: cluster.client.list(EVENTS, namespace="default").items)[0]
    assert event["message"] == status["message"]


def test_node_reports_capacity_and_conditions(cluster: Cluster) -> None:
    agent = cluster.agent()
    status = cluster.client.get(NODES, NODE_NAME)["status"]
    assert int(status["capacity"]["cpu"]) >= 1
    conditions = {one["type"]: one["status"] for one in status["conditions"]}
    assert conditions == {"MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True"}
    agent.stop()
    conditions = {one["type"]: one["status"] for one in cluster.client.get(NODES, NODE_NAME)["status"]["conditions"]}
    assert set(conditions.values()) == {"Unknown"}


COMMANDS = {
    "a shell's script": ["bash", "-c", "echo $0 $1", "hello", "you"],
    "a module": ["python", "-m", "calendar", "2026", "2"],
    "a path": ["/bin/echo", "hello"],
}


def test_commands_of_many_kinds(cluster: Cluster) -> None:
    cluster.agent()
    for number, command in enumerate(COMMANDS.values()):
        cluster.run(*command, name=f"pod-{number}")
    logs = []
    for number in range(len(COMMANDS)):
        assert cluster.ended(f"pod-{number}")["exitCode"] == 0
        logs.append(cluster.log(f"pod-{number}"))
    assert logs[0] == "hello you\n"
    assert "February 2026" in logs[1]
    assert logs[2] == "hello\n"


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here; install gcc")
def test_program_in_c(cluster: Cluster, tmp_path: Path) -> None:
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text("""
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static volatile sig_atomic_t asked;
static void leave(int number) { asked = number; }
int main(int argc, char **argv) {
    signal(SIGTERM, leave);
    printf("%s in %d words\\n", argv[1], argc);
    fflush(stdout);
    while (!asked) pause();
    return asked;
}
""")
    subprocess.run(["cc", "-o", program, source], check=True)
    cluster.agent()
    cluster.run(str(program), "hello", activeDeadlineSeconds=1)
    cluster.until_log("hello in 2 words\n")
    assert cluster.ended()["exitCode"] == 15
