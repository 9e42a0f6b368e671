from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from jupyter_trainjob.client.board import Board
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.widget.budget import Budget
from jupyter_trainjob.widget.output import JOB_MIME
from jupyter_trainjob.widget.panel import OUTPUT_PACE, JobsFeed, PanelOutput
from tests.unit.widget.jobs import HOSTILE, running


class FakeBoard:
    """A board that a test fills."""

    context, namespace = "trainjob-local", "default"
    synced = True
    trouble = ""

    def __init__(self, *jobs: Snapshot) -> None:
        self.jobs = list(jobs)
        self.looks = 0
        self.callbacks: list[Callable[[], None]] = []

    def snapshots(self) -> list[Snapshot]:
        self.looks += 1
        return self.jobs

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)


class Front:
    """The other end of the feed of a board."""

    def __init__(self, board: FakeBoard) -> None:
        self.now = 1000.0
        self.told: list[dict[str, Any]] = []
        clock = lambda: self.now  # noqa: E731
        self.feed = JobsFeed(
            cast("Board", board),
            send=lambda content, _: self.told.append(content),
            budget=Budget(clock=clock),
            clock=clock,
        )


def test_the_rows_are_told_whole_at_most_once_a_second_and_only_when_they_changed() -> None:
    board = FakeBoard(running(state=State.QUEUED))
    front = Front(board)
    front.feed.tell()
    assert [row["state"] for row in front.told[-1]["jobs"]] == ["Queued"]
    for _ in range(10):
        front.feed.changed()
        assert (front.feed.tell() or 0) > 0
    assert board.looks == 1
    front.now += 1.1
    front.feed.tell()
    assert len(front.told) == 1, "nothing had changed"
    board.jobs = [running(state=State.COMPLETE)]
    front.feed.changed()
    front.now += 1.1
    front.feed.tell()
    assert front.told[-1]["jobs"][0]["state"] == "Complete"
    front.feed.ready()
    front.feed.tell()
    assert len(front.told) == 3, "a page that has just come gets everything"


def test_later_only_rows_that_changed_are_told_and_which_are_gone() -> None:
    board = FakeBoard(running(uid="a"), running(uid="b"), running(uid="c"))
    front = Front(board)
    front.feed.tell()
    assert front.told[-1]["reset"]
    assert len(front.told[-1]["jobs"]) == 3
    board.jobs = [running(uid="a"), running(uid="b", state=State.COMPLETE)]
    front.feed.changed()
    front.now += 10
    front.feed.tell()
    told = front.told[-1]
    assert ([row["uid"] for row in told["jobs"]], told["gone"], told["reset"]) == (["b"], ["c"], False)


def test_a_cluster_that_does_not_answer_is_said_and_no_jobs_are_said_not_to_be_there() -> None:
    board = FakeBoard()
    board.synced, board.trouble = False, "The API server is away."
    front = Front(board)
    assert front.feed.tell() is None
    front.feed.tell()
    assert front.told == [{"kind": "trouble", "why": "The API server is away."}]
    board.synced, board.trouble = True, ""
    front.feed.tell()
    assert [told["kind"] for told in front.told] == ["trouble", "trouble", "jobs"]


def test_after_a_change_it_is_looked_once_more_and_then_no_more() -> None:
    board = FakeBoard(running(state=State.STOPPED))
    front = Front(board)
    wait = front.feed.tell()
    assert wait is not None
    board.jobs = [running(state=State.QUEUED)]
    front.now += wait
    assert front.feed.tell() is None
    assert front.told[-1]["jobs"][0]["state"] == "Queued"
    front.now += 3600
    assert front.feed.tell() is None
    assert board.looks == 2


def test_jobs_that_run_are_looked_at_without_an_event() -> None:
    board = FakeBoard(running(step=1))
    front = Front(board)
    wait = front.feed.tell()
    assert wait is not None
    board.jobs = [running(step=3600)]
    front.now += wait
    assert front.feed.tell() is not None
    assert front.told[-1]["jobs"][0]["progress"] == 1.0


def test_many_rows_keep_to_the_budget() -> None:
    board = FakeBoard(*(running(name=f"job-{i}", reason="x" * 1_000) for i in range(500)))
    front = Front(board)
    front.feed.tell()
    board.jobs = board.jobs[1:]
    front.feed.changed()
    front.now += 1.1
    assert (front.feed.tell() or 0) > 0
    assert len(front.told) == 1


class Notebook:
    """One output of a notebook."""

    def __init__(self) -> None:
        self.put: list[dict[str, Any]] = []
        self.closing: list[Callable[[], None]] = []

    def __call__(self, data: dict[str, Any], **_: Any) -> None:
        self.put.append(data)

    def live(self) -> dict[str, Any]:
        return {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}}

    def on_close(self, callback: Callable[[], None]) -> None:
        self.closing.append(callback)


def test_a_notebook_keeps_a_table_of_the_jobs_and_renews_it_now_and_then() -> None:
    board, notebook, clock = FakeBoard(running(name=f"a-{HOSTILE}")), Notebook(), [0.0]
    output = PanelOutput(cast("Board", board), notebook, notebook, clock=lambda: clock[0])
    output.open()
    (first,) = notebook.put
    assert set(first) == {"application/vnd.jupyter.widget-view+json", JOB_MIME, "text/html", "text/plain"}
    assert "<img" not in first["text/html"]
    assert "\x1b" not in first["text/plain"]
    board.jobs = [running(state=State.COMPLETE)]
    output._again = True
    assert output._look() == OUTPUT_PACE
    clock[0] = OUTPUT_PACE
    assert output._look() == OUTPUT_PACE, "once more"
    assert "Complete" in notebook.put[-1]["text/plain"]
    clock[0] = 2 * OUTPUT_PACE
    assert output._look() is None
    assert len(notebook.put) == 2
    for close in notebook.closing:
        close()
    assert board.callbacks == []
