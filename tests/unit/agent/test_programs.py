"""Pods become processes, and their ends become statuses."""

from __future__ import annotations

import pytest

from .cluster import Cluster

ENDS: dict[str, tuple[str, str, int, str]] = {
    "a program that returns succeeds": ("print('hello')", "Succeeded", 0, "Completed"),
    "an exit code is reported": ("import sys; sys.exit(3)", "Failed", 3, "Error"),
    "a program that kills itself ends with 137": ("import os; os.kill(os.getpid(), 9)", "Failed", 137, "Error"),
}


@pytest.mark.parametrize(("code", "phase", "exit_code", "reason"), ENDS.values(), ids=list(ENDS))
def test_end(cluster: Cluster, code: str, phase: str, exit_code: int, reason: str) -> None:
    cluster.agent()
    cluster.script(code)
    end = cluster.ended()
    assert (cluster.phase(), end["exitCode"], end["reason"]) == (phase, exit_code, reason)


def test_log(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script("import sys; print('one'); print('two', file=sys.stderr, flush=True); print('three', end='')")
    cluster.ended()
    assert sorted(cluster.log().splitlines()) == ["one", "three", "two"]
