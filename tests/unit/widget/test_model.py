from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast
from unittest.mock import ANY

import pytest

from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.feed.job_feed import JobFeed
from jupyter_trainjob.rendering import text
from jupyter_trainjob.widget import output as module
from jupyter_trainjob.widget.model import JobView
from jupyter_trainjob.widget.output import JOB_MIME, SettleDetector
from jupyter_trainjob.widget.show import show
from tests.unit.widget.jobs import FakeJob, columns, lines, running
from tests.waiting import patience, wait_for

WIDGET = "application/vnd.jupyter.widget-view+json"


class FakeComm:
    """A comm that records what is sent."""

    def __init__(self) -> None:
        self.comm_id = "fake"
        self.changed = threading.Condition()
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.on_message: Callable[[dict[str, Any]], None] = lambda _: None
        self.closed = False

    def on_msg(self, callback: Callable[[dict[str, Any]], None]) -> None:
        self.on_message = callback

    def send(self, data: dict[str, Any], buffers: list[bytes] | None = None, **_: Any) -> None:
        with self.changed:
            self.sent.append((data, buffers or []))
            self.changed.notify_all()

    def close(self, *_: Any, **__: Any) -> None:
        self.closed = True

    def receive(self, content: Any) -> None:
        """Receive a custom message, on this thread."""
        self.on_message({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})

    def wait_for(self, kind: str) -> dict[str, Any]:
        """Return the next custom message of a kind."""
        matches: list[dict[str, Any]] = []

        def has_match() -> bool:
            matches[:] = [
                d["content"] for d, _ in self.sent if d["method"] == "custom" and d["content"]["kind"] == kind
            ]
            return bool(matches)

        with self.changed:
            assert self.changed.wait_for(has_match, patience(60)), f"no {kind} in {self.sent}"
            self.sent.clear()
        return matches[-1]


@pytest.fixture
def job() -> FakeJob:
    return FakeJob(running(log=lines("a")), columns((0, 1, 0, 2.0)))


@pytest.fixture
def views() -> Iterator[list[JobView]]:
    views: list[JobView] = []
    yield views
    for view in views:
        view.close()
        assert view.join(patience(60))


@pytest.fixture
def comm(job: FakeJob, views: list[JobView]) -> FakeComm:
    views.append(JobView(job))
    fake = FakeComm()
    views[-1].comm = fake
    return fake


def test_ready_front_end_gets_everything_again(comm: FakeComm) -> None:
    comm.receive({"kind": "ready"})
    assert comm.wait_for("curves")["reset"] is True
    comm.receive({"kind": "ready"})
    assert comm.wait_for("log")["lines"] == [[ANY, 1.0, 0, "a"]]


def test_change_is_sent_to_the_front_end(job: FakeJob, comm: FakeComm, views: list[JobView]) -> None:
    comm.receive({"kind": "ready"})
    feed = cast("JobFeed", views[0]._channel._feeds["uid-1"].feed)
    wait_for(lambda: not {"log", "curves"} & feed._whole)
    comm.sent.clear()
    job.change(log=lines("a", "b"))
    log = comm.wait_for("log")
    assert (log["lines"], log["reset"]) == ([[ANY, 2.0, 1, "b"]], False)


def test_mime_bundle_has_the_widget_a_picture_and_text(job: FakeJob, views: list[JobView]) -> None:
    views.append(JobView(job))
    data, _ = views[0]._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == views[0].model_id
    assert data["text/plain"].startswith("◐ Running digits-x7k2p")
    assert "<img " in data["text/html"]


def test_traits_have_a_bounded_size(job: FakeJob, views: list[JobView]) -> None:
    views.append(JobView(job))
    traits = {name: value for name, value in views[0].get_state().items() if not name.startswith("_")}
    assert set(traits) == {"state", "kind", "before", "layout", "tabbable", "tooltip"}
    assert len(str(traits["state"])) < 1_000


def test_closed_view_has_unsubscribed(job: FakeJob) -> None:
    view = JobView(job)
    view.close()
    assert view.join(patience(60))
    assert job.callbacks == []


class Notebook:
    """One output of a notebook."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.data: dict[str, Any] = {}
        self.updates: list[bool] = []

    def __call__(self, data: dict[str, Any], *, display_id: str, update: bool, raw: bool, metadata: Any) -> None:
        with self.changed:
            self.data = data
            self.updates.append(update)
            self.changed.notify_all()

    def wait_until(self, state: str, *, html: str = "") -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: self.data[JOB_MIME]["state"] == state and html in self.data["text/html"], patience(60)
            )


def test_output_has_all_mime_types_at_once_and_is_updated_with_each_state(
    job: FakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PACE", 0.05)
    monkeypatch.setattr(module, "SETTLE_QUIET", 0.05)
    notebook = Notebook()
    show(job, display=notebook)
    assert set(notebook.data) == {WIDGET, JOB_MIME, "text/html", "text/plain"}
    job.change(state=State.STOPPED)
    notebook.wait_until("Stopped")
    job.change(state=State.RUNNING)
    notebook.wait_until("Running")
    job.change(state=State.COMPLETE, finished=251.0)
    notebook.wait_until("Complete")
    assert set(notebook.data) == {WIDGET, JOB_MIME, "text/html", "text/plain"}
    assert "took 2:31" in notebook.data["text/html"]
    assert notebook.updates[0] is False
    assert all(notebook.updates[1:])


def test_log_lines_that_arrive_after_the_end_are_in_the_picture(job: FakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE", 0.01)
    monkeypatch.setattr(module, "SETTLE_QUIET", 0.2)
    notebook = Notebook()
    show(job, display=notebook)
    job.change(state=State.COMPLETE, finished=251.0)
    notebook.wait_until("Complete")
    job.change(log=lines("a", "the last line"))
    notebook.wait_until("Complete", html="the last line")


def test_output_has_the_final_state_before_a_wait_returns(job: FakeJob) -> None:
    notebook = Notebook()
    show(job, display=notebook)
    job.now = running(state=State.COMPLETE, finished=251.0)
    before = len(notebook.updates)
    for _ in range(2):
        for callback in job.over:
            callback()
    assert notebook.data[JOB_MIME]["state"] == "Complete"
    assert len(notebook.updates) == before + 1, "equal content is not displayed twice"


def test_picture_of_a_long_job_is_updated_at_growing_intervals(job: FakeJob, views: list[JobView]) -> None:
    clock = [0.0]
    views.append(JobView(job))
    notebook = Notebook()
    output = module.JobOutput(job, views[0], notebook, clock=lambda: clock[0])
    updated_at = []
    for second in range(0, 3600, 10):
        clock[0] = float(second)
        job.now = replace(job.now, step=second)
        before = len(notebook.updates)
        output._update_if_due()
        updated_at += [second] * (len(notebook.updates) - before)
    assert updated_at == [60, 180, 420, 900, 1860]


def test_update_is_repeated_once_for_a_front_end_that_connects_later(
    job: FakeJob, comm: FakeComm, views: list[JobView]
) -> None:
    clock = [0.0]
    notebook = Notebook()
    output = module.JobOutput(job, views[0], notebook, clock=lambda: clock[0])
    output.open()

    def count_after_ready(second: float) -> int:
        clock[0] = second
        comm.receive({"kind": "ready"})
        output._update_if_due()
        return len(notebook.updates)

    assert count_after_ready(10.0) == 1, "the front end rendered the first output"
    job.now = running(state=State.COMPLETE, finished=251.0)
    output.refresh()
    assert count_after_ready(10.0 + module.HEARD / 2) == 2, "that front end was connected at the update"
    assert count_after_ready(30.0) == 3
    assert count_after_ready(60.0) == 3


def test_job_that_ends_during_the_first_display_is_displayed_as_ended(job: FakeJob, views: list[JobView]) -> None:
    views.append(JobView(job))
    states = []

    def display(data: dict[str, Any], **_: Any) -> None:
        states.append(data[JOB_MIME]["state"])
        # Nothing is notified: there is no subscription yet.
        job.now = replace(job.now, state=State.COMPLETE, finished=251.0)

    module.JobOutput(job, views[0], display).open()
    wait_for(lambda: states == ["Running", "Complete"])


def test_terminal_gets_one_line_or_with_wait_all_lines(job: FakeJob, capsys: pytest.CaptureFixture[str]) -> None:
    show(job).refresh()
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f'{text.summary_line(job.now)} · in Python: get("digits-x7k2p")'
    job_display = show(job, wait=True)
    job.change(state=State.COMPLETE, finished=251.0, metrics={})
    job_display.refresh()
    assert capsys.readouterr().out.splitlines()[1:] == ["✓ Complete digits-x7k2p · took 2:31"]


def test_job_settles_once_after_a_quiet_time() -> None:
    detector = SettleDetector()
    assert detector.poll(False, 0.0) == (False, None)
    assert detector.poll(True, 10.0) == (False, module.SETTLE_QUIET)
    detector.record_change(10.8)
    settled, delay = detector.poll(True, 11.0)
    assert settled is False
    assert delay == pytest.approx(0.8)
    assert detector.poll(True, 11.9) == (True, None)
    assert detector.poll(True, 12.0) == (False, None)
    assert detector.poll(False, 13.0) == (False, None)


def test_job_that_is_never_quiet_settles_after_the_limit() -> None:
    detector = SettleDetector()
    for tenth in range(100):
        detector.record_change(tenth / 10)
        settled, _ = detector.poll(True, tenth / 10)
        if settled:
            break
    assert tenth / 10 == pytest.approx(module.SETTLE_LIMIT)


def test_view_offers_to_stop_the_previous_job_until_it_is_over(job: FakeJob, views: list[JobView]) -> None:
    previous = FakeJob(running(uid="u0", name="digits-old"))
    views.append(JobView(job, previous=previous))
    assert views[0].before == {"uid": "u0", "name": "digits-old"}
    previous.change(state=State.COMPLETE)
    wait_for(lambda: views[0].before == {})
