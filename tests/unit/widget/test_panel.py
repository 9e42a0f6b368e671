from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from jupyter_trainjob.client.job_list import JobList
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.feed.list_feed import JobListFeed
from jupyter_trainjob.feed.rate_limit import RateLimiter
from jupyter_trainjob.metrics.telemetry import Checkpoint
from jupyter_trainjob.widget.output import JOB_MIME
from jupyter_trainjob.widget.panel import OUTPUT_PACE, PanelOutput
from tests.unit.widget.jobs import HOSTILE, running


class FakeBoard:
    """A `Board` with the jobs that a test sets."""

    context, namespace = "trainjob-local", "default"
    synced = True
    sync_error = ""

    def __init__(self, *jobs: Snapshot) -> None:
        self.jobs = list(jobs)
        self.reads = 0
        self.followed = True
        self.callbacks: list[Callable[[], None]] = []

    def snapshots(self) -> list[Snapshot]:
        self.reads += 1
        return self.jobs

    def follows(self, _: str) -> bool:
        return self.followed

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)


class Front:
    """A front end that records the messages of a list feed, with a clock that a test sets."""

    def __init__(self, board: FakeBoard) -> None:
        self.now = 1000.0
        self.messages: list[dict[str, Any]] = []
        clock = lambda: self.now  # noqa: E731
        self.feed = JobListFeed(
            cast("JobList", board),
            send=lambda content, _: self.messages.append(content),
            rate_limiter=RateLimiter(clock=clock),
            clock=clock,
        )


def test_row_without_a_checkpoint_is_known_only_if_the_whole_log_was_read() -> None:
    board = FakeBoard(running(uid="a"), running(uid="b", checkpoint=Checkpoint(1, "step-100", 100, 1.0)))
    board.followed = False
    front = Front(board)
    front.feed.send_due()
    assert [row["checkpoint"] for row in front.messages[-1]["jobs"]] == ["", "step-100"]
    board.followed = True
    board.jobs = [running(uid="a")]  # A new snapshot, as a follower makes one.
    front.feed.mark_changed()
    front.now += 1.1
    front.feed.send_due()
    assert front.messages[-1]["jobs"][0]["checkpoint"] is None


def test_rows_are_sent_at_most_once_a_second_and_only_if_changed() -> None:
    board = FakeBoard(running(state=State.QUEUED))
    front = Front(board)
    front.feed.send_due()
    assert [row["state"] for row in front.messages[-1]["jobs"]] == ["Queued"]
    for _ in range(10):
        front.feed.mark_changed()
        assert (front.feed.send_due() or 0) > 0
    assert board.reads == 1
    front.now += 1.1
    front.feed.send_due()
    assert len(front.messages) == 1, "nothing had changed"
    board.jobs = [running(state=State.COMPLETE)]
    front.feed.mark_changed()
    front.now += 1.1
    front.feed.send_due()
    assert front.messages[-1]["jobs"][0]["state"] == "Complete"
    front.feed.resend_all()
    front.feed.send_due()
    assert len(front.messages) == 3, "a ready front end gets everything"


def test_later_messages_have_changed_and_deleted_rows_only() -> None:
    board = FakeBoard(running(uid="a"), running(uid="b"), running(uid="c"))
    front = Front(board)
    front.feed.send_due()
    assert front.messages[-1]["reset"]
    assert len(front.messages[-1]["jobs"]) == 3
    board.jobs = [running(uid="a"), running(uid="b", state=State.COMPLETE)]
    front.feed.mark_changed()
    front.now += 10
    front.feed.send_due()
    message = front.messages[-1]
    assert ([row["uid"] for row in message["jobs"]], message["gone"], message["reset"]) == (["b"], ["c"], False)


def test_unreachable_cluster_sends_its_error_and_no_list() -> None:
    board = FakeBoard()
    board.synced, board.sync_error = False, "The API server is away."
    front = Front(board)
    assert front.feed.send_due() is None
    front.feed.send_due()
    assert front.messages == [{"kind": "trouble", "why": "The API server is away."}]
    board.synced, board.sync_error = True, ""
    front.feed.send_due()
    assert [message["kind"] for message in front.messages] == ["trouble", "trouble", "jobs"]


def test_list_is_read_once_more_after_a_change() -> None:
    board = FakeBoard(running(state=State.STOPPED))
    front = Front(board)
    delay = front.feed.send_due()
    assert delay is not None
    board.jobs = [running(state=State.QUEUED)]
    front.now += delay
    assert front.feed.send_due() is None
    assert front.messages[-1]["jobs"][0]["state"] == "Queued"
    front.now += 3600
    assert front.feed.send_due() is None
    assert board.reads == 2


def test_running_jobs_are_read_without_an_event() -> None:
    board = FakeBoard(running(step=1))
    front = Front(board)
    delay = front.feed.send_due()
    assert delay is not None
    board.jobs = [running(step=3600)]
    front.now += delay
    assert front.feed.send_due() is not None
    assert front.messages[-1]["jobs"][0]["progress"] == 1.0


def test_many_rows_stay_within_the_rate_limit() -> None:
    board = FakeBoard(*(running(name=f"job-{i}", reason="x" * 1_000) for i in range(500)))
    front = Front(board)
    front.feed.send_due()
    board.jobs = board.jobs[1:]
    front.feed.mark_changed()
    front.now += 1.1
    assert (front.feed.send_due() or 0) > 0
    assert len(front.messages) == 1


class Notebook:
    """A view and its output, which records what is displayed."""

    def __init__(self) -> None:
        self.displayed: list[dict[str, Any]] = []
        self.close_callbacks: list[Callable[[], None]] = []

    def __call__(self, data: dict[str, Any], **_: Any) -> None:
        self.displayed.append(data)

    def live_mime(self) -> dict[str, Any]:
        return {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}}

    def on_close(self, callback: Callable[[], None]) -> None:
        self.close_callbacks.append(callback)


def test_saved_table_is_updated_at_intervals() -> None:
    board, notebook, clock = FakeBoard(running(name=f"a-{HOSTILE}")), Notebook(), [0.0]
    output = PanelOutput(cast("JobList", board), notebook, notebook, clock=lambda: clock[0])
    output.open()
    (first,) = notebook.displayed
    assert set(first) == {"application/vnd.jupyter.widget-view+json", JOB_MIME, "text/html", "text/plain"}
    assert "<img" not in first["text/html"]
    assert "\x1b" not in first["text/plain"]
    board.jobs = [running(state=State.COMPLETE)]
    output._has_changed = True
    assert output._update_if_due() == OUTPUT_PACE
    clock[0] = OUTPUT_PACE
    assert output._update_if_due() == OUTPUT_PACE, "one more read after a change"
    assert "Complete" in notebook.displayed[-1]["text/plain"]
    clock[0] = 2 * OUTPUT_PACE
    assert output._update_if_due() is None
    assert len(notebook.displayed) == 2
    for callback in notebook.close_callbacks:
        callback()
    assert board.callbacks == []
