from __future__ import annotations

from jupyter_trainjob.client.doctor import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.client.runtimes import Runtime
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.widget import tables


def test_jobs_are_rows_with_their_age() -> None:
    jobs = [
        Snapshot("digits-abcde", "default", "c", State.RUNNING, nodes=8, created=1000.0, step=1, total=4),
        Snapshot("a", "default", "c", State.QUEUED, created=1000.0),
    ]
    assert tables.jobs(jobs, now=1300.0).splitlines() == [
        "NAME          STATE    NODES  PROGRESS  AGE",
        "digits-abcde  Running  8      25%       5m",
        "a             Queued   1                5m",
    ]


def test_no_jobs_say_how_to_start_one() -> None:
    assert "%%trainjob" in tables.jobs([])


def test_what_a_cluster_writes_can_neither_move_the_cursor_nor_break_a_row() -> None:
    row = {"time": 0.0, "object": "Pod/a", "type": "Normal", "reason": "R", "message": "a\x1b[2Jb\nc", "count": 2}
    assert tables.events([row], now=60.0).splitlines()[1] == "60s (x2)  Normal  R       Pod/a   ab c"


def test_runtimes_are_rows() -> None:
    table = tables.runtimes([Runtime("plain", "ClusterTrainingRuntime", "plain", 1, "python:3.12")])
    assert table.splitlines()[1].split() == ["plain", "plain", "1", "ClusterTrainingRuntime", "python:3.12"]


def test_each_check_has_its_remedy_below_it() -> None:
    checks = [Check("disk", OK, "fine"), Check("daemon", PROBLEM, "gone", "Start it."), Check("gpu", NOTE, "none")]
    assert tables.checks(checks).splitlines() == [
        "✓ disk    fine",
        "✕ daemon  gone",
        "          → Start it.",
        "! gpu     none",
    ]
