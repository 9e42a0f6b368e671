from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.client.doctor import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.client.runtimes import Runtime
from jupyter_trainjob.client.snapshot import Gpu, Node, Rank, Snapshot, State, Usage
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


def node(**more: Any) -> Node:
    return Node(**{"index": 3, "pod": "p", "host": "h", "state": "Running", **more})


@pytest.mark.parametrize(
    ("of", "note", "tone"),
    [
        pytest.param(node(), "Running", "quiet", id="its state where nothing else is known"),
        pytest.param(node(ranks=(Rank(0, 1, 0.038), Rank(1, 1, 0.04))), "40 ms", "quiet", id="its slowest rank's pace"),
        pytest.param(node(ranks=(Rank(0, 1, 0.061, True),)), "61 ms slow", "warn", id="that it is slow"),
        pytest.param(node(ranks=(Rank(0, 1, 12.34),)), "12.34 s", "quiet", id="seconds"),
        pytest.param(node(ranks=(Rank(0, 1, 0.00012),)), "0.12 ms", "quiet", id="a short step"),
        pytest.param(node(state="Waiting", reason="Unschedulable"), "Unschedulable", "quiet", id="what it waits for"),
        pytest.param(node(state="Failed", exit_code=137, reason="OOMKilled"), "exit 137", "bad", id="its exit code"),
        pytest.param(node(state="Failed", reason="Evicted"), "Evicted", "bad", id="why it never ran"),
    ],
)
def test_of_a_node_one_thing_is_said(of: Node, note: str, tone: str) -> None:
    assert tables.node_note(of) == (note, tone)


def test_nodes_are_rows_of_what_is_known() -> None:
    gpu = Gpu("H100", 0.5, 2**30, 80 * 2**30)
    usage = Usage(0.0, 0.71, 2.0, 400 * 2**20, None, (gpu,))
    assert tables.nodes([node(usage=usage, restarts=1), node(index=4, state="Waiting", host="")]).splitlines() == [
        "NODE  STATE    HOST  RESTARTS  CORES     MEMORY   GPU",
        "3     Running  h     1         0.7 of 2  400 MiB  H100 50 %, 1.0 GiB of 80 GiB",
        "4     Waiting",
    ]


@pytest.mark.parametrize(
    ("count", "words"), [(500, "0 KiB"), (2**20, "1.0 MiB"), (400 * 2**20, "400 MiB"), (int(5.1 * 2**30), "5.1 GiB")]
)
def test_amounts_of_memory_are_short(count: int, words: str) -> None:
    assert tables.size(count) == words
