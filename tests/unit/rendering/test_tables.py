from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.client.doctor.finding import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.client.snapshot import Failure, Gpu, Node, Rank, Snapshot, State, Usage
from jupyter_trainjob.client.spec.runtimes import Runtime
from jupyter_trainjob.rendering import tables


def test_jobs_have_rows_with_their_age() -> None:
    jobs = [
        Snapshot("digits-abcde", "default", "c", State.RUNNING, nodes=8, created=1000.0, step=1, total=4),
        Snapshot("a", "default", "c", State.QUEUED, created=1000.0),
    ]
    assert tables.jobs(jobs, now=1300.0).splitlines() == [
        "NAME          STATE    NODES  PROGRESS  AGE",
        "digits-abcde  Running  8      25 %      5m",
        "a             Queued   1                5m",
    ]


def test_reasons_of_jobs_have_a_column() -> None:
    jobs = [
        Snapshot("a", "default", "c", State.QUEUED, created=1000.0, reason="no node has enough free CPUs\nmore"),
        Snapshot(
            "b", "default", "c", State.FAILED, created=1000.0, failure=Failure("ValueError: \x1b[2Jx"), reason="y"
        ),
        Snapshot("c", "default", "c", State.STOPPED, created=1000.0, reason="z" * 200),
        Snapshot("d", "default", "c", State.RUNNING, created=1000.0),
    ]
    assert tables.jobs(jobs, now=1300.0).splitlines() == [
        "NAME  STATE    NODES  PROGRESS  AGE  REASON",
        "a     Queued   1                5m   no node has enough free CPUs",
        "b     Failed   1                5m   ValueError: x",
        f"c     Stopped  1                5m   {'z' * (tables.MAX_REASON - 1)}…",
        "d     Running  1                5m",
    ]


def test_metrics_have_means_and_ranges_over_ranks() -> None:
    job = Snapshot("a", "default", "c", State.RUNNING, metrics={"loss": 0.5, "lr": 0.1}, ranges={"loss": (0.25, 0.75)})
    assert [line.split() for line in tables.metrics(job, max_rows=9).splitlines()] == [
        ["METRIC", "MEAN", "LOW", "HIGH"],
        ["loss", "0.5000", "0.2500", "0.7500"],
        ["lr", "0.1000", "0.1000", "0.1000"],
    ]
    one_rank = Snapshot("a", "default", "c", State.RUNNING, metrics={"loss": 0.5})
    assert tables.metrics(one_rank, max_rows=9).splitlines()[0].split() == ["METRIC", "VALUE"]


def test_empty_list_of_jobs_has_a_hint() -> None:
    assert "%%trainjob" in tables.jobs([])


def test_cells_are_sanitized_and_stay_on_one_line() -> None:
    row = {"time": 0.0, "object": "Pod/a", "type": "Normal", "reason": "R", "message": "a\x1b[2Jb\nc", "count": 2}
    assert tables.events([row], now=60.0).splitlines()[1] == "60s (x2)  Normal  R       Pod/a   ab c"


def test_runtimes_have_rows_with_images_on_clusters() -> None:
    plain = Runtime("plain", "ClusterTrainingRuntime", "plain", 1, "python:3.12")
    table = tables.runtimes([plain], embedded=False)
    assert table.splitlines()[1].split() == ["plain", "plain", "1", "ClusterTrainingRuntime", "python:3.12"]
    here = tables.runtimes([plain], embedded=True)
    assert "python:3.12" not in here
    assert here.endswith("in the Python environment of the notebook that sends the job.")


def test_checks_have_their_remedy_below() -> None:
    checks = [Check("disk", OK, "fine"), Check("daemon", PROBLEM, "gone", "Start it."), Check("gpu", NOTE, "none")]
    assert tables.checks(checks).splitlines() == [
        "✓ disk    fine",
        "✕ daemon  gone",
        "          → Start it.",
        "! gpu     none",
    ]


def make_node(**more: Any) -> Node:
    return Node(**{"index": 3, "pod": "p", "host": "h", "state": "Running", **more})


@pytest.mark.parametrize(
    ("node", "note", "tone"),
    [
        pytest.param(make_node(), "Running", "quiet", id="state without other information"),
        pytest.param(
            make_node(ranks=(Rank(0, 1, 0.038), Rank(1, 1, 0.04))), "40 ms", "quiet", id="step time of the slowest rank"
        ),
        pytest.param(make_node(ranks=(Rank(0, 1, 0.061, True),)), "61 ms slow", "warn", id="slow rank"),
        pytest.param(make_node(ranks=(Rank(0, 1, 12.34),)), "12.34 s", "quiet", id="seconds"),
        pytest.param(make_node(ranks=(Rank(0, 1, 0.00012),)), "0.12 ms", "quiet", id="a short step"),
        pytest.param(
            make_node(state="Waiting", reason="Unschedulable"), "Unschedulable", "quiet", id="reason of waiting"
        ),
        pytest.param(make_node(state="Failed", exit_code=137, reason="OOMKilled"), "exit 137", "bad", id="exit code"),
        pytest.param(make_node(state="Failed", reason="Evicted"), "Evicted", "bad", id="reason without an exit code"),
    ],
)
def test_node_note(node: Node, note: str, tone: str) -> None:
    assert tables.node_note(node) == (note, tone)


def test_nodes_table_leaves_out_empty_columns() -> None:
    gpu = Gpu("H100", 0.5, 2**30, 80 * 2**30)
    usage = Usage(0.0, 0.71, 2.0, 400 * 2**20, None, (gpu,))
    assert tables.nodes(
        [make_node(usage=usage, restarts=1), make_node(index=4, state="Waiting", host="")]
    ).splitlines() == [
        "NODE  STATE    HOST  RESTARTS  CORES     MEMORY   GPU",
        "3     Running  h     1         0.7 of 2  400 MiB  H100 50 %, 1.0 GiB of 80 GiB",
        "4     Waiting",
    ]


@pytest.mark.parametrize(
    ("count", "expected"), [(500, "0 KiB"), (2**20, "1.0 MiB"), (400 * 2**20, "400 MiB"), (int(5.1 * 2**30), "5.1 GiB")]
)
def test_format_bytes(count: int, expected: str) -> None:
    assert tables.format_bytes(count) == expected
