"""Ending programs with all their processes."""

from __future__ import annotations

import time
from collections.abc import Iterable

from jupyter_trainjob.api.resources import PODS, KubeObject
from tests.waiting import patience

from .cluster import Cluster

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print('not now', flush=True))
print('ready', flush=True)
while True:
    time.sleep(1)
"""
POLITE = """
import signal, sys, time
def leave(*_):
    print('bye', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print('ready', flush=True)
while True:
    time.sleep(1)
"""
PARENT = """
import subprocess, sys, time
sleeper = [sys.executable, '-c', 'import time; time.sleep(300)']
subprocess.Popen(sleeper)
subprocess.Popen(sleeper, start_new_session=True)
print('ready', flush=True)
if sys.argv[1:] == ['wait']:
    time.sleep(300)
"""


class Keeper:
    def __init__(self) -> None:
        self.logs: list[tuple[str, list[bytes]]] = []

    def keep(self, pod: KubeObject, lines: Iterable[bytes]) -> None:
        self.logs.append((pod["metadata"]["name"], list(lines)))


def is_removed(cluster: Cluster) -> bool:
    return cluster.client.find(PODS, "pod", namespace="default") is None and not list((cluster.root / "pods").iterdir())


def test_deleted_program_gets_sigterm_and_its_log_is_kept(cluster: Cluster) -> None:
    keeper = Keeper()
    cluster.agent(keeper=keeper)
    cluster.script(POLITE)
    cluster.until_log("ready")
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=30)
    cluster.api.wait(lambda: is_removed(cluster))
    assert [(name, [line.partition(b" ")[2] for line in lines]) for name, lines in keeper.logs] == [
        ("pod", [b"ready", b"bye"])
    ]


def test_program_that_ignores_sigterm_is_killed_after_its_grace(cluster: Cluster) -> None:
    keeper = Keeper()
    cluster.agent(keeper=keeper)
    cluster.script(STUBBORN)
    cluster.until_log("ready")
    began = time.monotonic()
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=1)
    cluster.api.wait(lambda: is_removed(cluster))
    assert time.monotonic() - began >= 1.0
    assert keeper.logs[0][1][-1].endswith(b"not now")


def test_second_deletion_shortens_the_grace(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script(STUBBORN)
    cluster.until_log("ready")
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=300)
    cluster.until_log("not now")
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=1)
    cluster.api.wait(lambda: is_removed(cluster), patience(60))


def test_force_deleted_pod_is_killed_at_once(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script(STUBBORN)
    cluster.until_log("ready")
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=0)
    cluster.api.wait(lambda: is_removed(cluster), patience(60))


def test_ended_pod_is_removed_when_it_is_deleted(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script("print('done')")
    cluster.ended()
    assert cluster.log() == "done\n"
    cluster.client.delete(PODS, "pod", namespace="default")
    cluster.api.wait(lambda: is_removed(cluster))


def test_children_of_an_ended_program_are_killed_also_in_other_sessions(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script(PARENT)
    assert cluster.ended()["exitCode"] == 0


def test_children_of_a_killed_program_are_killed(cluster: Cluster) -> None:
    cluster.agent()
    cluster.run("python", "-c", PARENT, "wait")
    cluster.until_log("ready")
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=0)
    cluster.api.wait(lambda: is_removed(cluster))
