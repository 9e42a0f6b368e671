from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast
from unittest.mock import ANY

import pytest

from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.widget import output as module
from jupyter_trainjob.widget.feed import Feed
from jupyter_trainjob.widget.output import JOB_MIME, Resting
from jupyter_trainjob.widget.show import show
from jupyter_trainjob.widget.view import JobView
from tests.embedded import wait_for
from tests.unit.widget.jobs import FakeJob, columns, lines, running

WIDGET = "application/vnd.jupyter.widget-view+json"


class FakeComm:
    """The kernel's end of a comm whose other end is a list."""

    def __init__(self) -> None:
        self.comm_id = "fake"
        self.news = threading.Condition()
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.on_message: Callable[[dict[str, Any]], None] = lambda _: None
        self.closed = False

    def on_msg(self, callback: Callable[[dict[str, Any]], None]) -> None:
        self.on_message = callback

    def send(self, data: dict[str, Any], buffers: list[bytes] | None = None, **_: Any) -> None:
        with self.news:
            self.sent.append((data, buffers or []))
            self.news.notify_all()

    def close(self, *_: Any, **__: Any) -> None:
        self.closed = True

    def receive(self, content: Any) -> None:
        """Be sent a custom message, on this thread."""
        self.on_message({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})

    def wait_for(self, kind: str) -> dict[str, Any]:
        """Return the next custom message of a kind."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [d["content"] for d, _ in self.sent if d["method"] == "custom" and d["content"]["kind"] == kind]
            return bool(found)

        with self.news:
            assert self.news.wait_for(there, 60), f"no {kind} in {self.sent}"
            self.sent.clear()
        return found[-1]


@pytest.fixture
def job() -> FakeJob:
    return FakeJob(running(log=lines("a")), columns((0, 1, 0, 2.0)))


@pytest.fixture
def views() -> Iterator[list[JobView]]:
    made: list[JobView] = []
    yield made
    for view in made:
        view.close()
        assert view.join(60)


@pytest.fixture
def comm(job: FakeJob, views: list[JobView]) -> FakeComm:
    views.append(JobView(job))
    fake = FakeComm()
    views[-1].comm = fake
    return fake


def test_a_front_end_that_renders_gets_everything_again(comm: FakeComm) -> None:
    comm.receive({"kind": "ready"})
    assert comm.wait_for("curves")["reset"] is True
    comm.receive({"kind": "ready"})
    assert comm.wait_for("log")["lines"] == [[ANY, 1.0, 0, "a"]]


def test_a_change_reaches_the_front_end(job: FakeJob, comm: FakeComm, views: list[JobView]) -> None:
    comm.receive({"kind": "ready"})
    feed = cast("Feed", views[0]._channel._open["uid-1"].feed)
    wait_for(lambda: not {"log", "curves"} & feed._whole)
    comm.sent.clear()
    job.change(log=lines("a", "b"))
    log = comm.wait_for("log")
    assert (log["lines"], log["reset"]) == ([[ANY, 2.0, 1, "b"]], False)


def test_the_bundle_has_the_view_a_picture_and_words(job: FakeJob, views: list[JobView]) -> None:
    views.append(JobView(job))
    data, _ = views[0]._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == views[0].model_id
    assert data["text/plain"].startswith("◐ Running digits-x7k2p")
    assert "<img " in data["text/html"]


def test_nothing_that_grows_is_a_trait(job: FakeJob, views: list[JobView]) -> None:
    views.append(JobView(job))
    own = {name: value for name, value in views[0].get_state().items() if not name.startswith("_")}
    assert set(own) == {"state", "kind", "layout", "tabbable", "tooltip"}
    assert len(str(own["state"])) < 1_000


def test_a_closed_view_has_left_its_source(job: FakeJob) -> None:
    view = JobView(job)
    view.close()
    assert view.join(60)
    assert job.callbacks == []


class Notebook:
    """One output of a notebook."""

    def __init__(self) -> None:
        self.news = threading.Condition()
        self.data: dict[str, Any] = {}
        self.updates: list[bool] = []

    def __call__(self, data: dict[str, Any], *, display_id: str, update: bool, raw: bool, metadata: Any) -> None:
        with self.news:
            self.data = data
            self.updates.append(update)
            self.news.notify_all()

    def wait_until(self, state: str, *, html: str = "") -> None:
        with self.news:
            assert self.news.wait_for(
                lambda: self.data[JOB_MIME]["state"] == state and html in self.data["text/html"], 60
            )


def test_a_notebook_keeps_all_forms_from_the_first_moment_and_anew_with_each_state(
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


def test_lines_that_come_after_the_end_are_in_the_picture(job: FakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE", 0.01)
    monkeypatch.setattr(module, "SETTLE_QUIET", 0.2)
    notebook = Notebook()
    show(job, display=notebook)
    job.change(state=State.COMPLETE, finished=251.0)
    notebook.wait_until("Complete")
    job.change(log=lines("a", "the last word"))
    notebook.wait_until("Complete", html="the last word")


def test_who_waited_goes_on_when_the_notebook_has_the_end(job: FakeJob) -> None:
    notebook = Notebook()
    show(job, display=notebook)
    job.now = running(state=State.COMPLETE, finished=251.0)
    before = len(notebook.updates)
    for _ in range(2):
        for tell in job.over:
            tell()
    assert notebook.data[JOB_MIME]["state"] == "Complete"
    assert len(notebook.updates) == before + 1, "the same is not put out twice"


def test_the_picture_of_a_long_job_is_made_anew_ever_more_rarely(job: FakeJob, views: list[JobView]) -> None:
    clock = [0.0]
    views.append(JobView(job))
    notebook = Notebook()
    output = module.Output(job, views[0], notebook, clock=lambda: clock[0])
    made = []
    for second in range(0, 3600, 10):
        clock[0] = float(second)
        job.now = replace(job.now, step=second)
        before = len(notebook.updates)
        output._look()
        made += [second] * (len(notebook.updates) - before)
    assert made == [60, 180, 420, 900, 1860]


def test_a_page_that_comes_after_an_update_gets_it_once_more(
    job: FakeJob, comm: FakeComm, views: list[JobView]
) -> None:
    clock = [0.0]
    notebook = Notebook()
    output = module.Output(job, views[0], notebook, clock=lambda: clock[0])
    output.open()

    def count_after_ready(second: float) -> int:
        clock[0] = second
        comm.receive({"kind": "ready"})
        output._look()
        return len(notebook.updates)

    assert count_after_ready(10.0) == 1, "the page shows the first form: it is there"
    job.now = running(state=State.COMPLETE, finished=251.0)
    output.settle()
    assert count_after_ready(10.0 + module.HEARD / 2) == 2, "that page was there, and draws what it got"
    assert count_after_ready(30.0) == 3
    assert count_after_ready(60.0) == 3


def test_a_job_that_ends_while_it_is_put_out_is_put_out_as_ended(job: FakeJob, views: list[JobView]) -> None:
    views.append(JobView(job))
    states = []

    def display(data: dict[str, Any], **_: Any) -> None:
        states.append(data[JOB_MIME]["state"])
        # Nobody hears of it: there is no subscription yet.
        job.now = replace(job.now, state=State.COMPLETE, finished=251.0)

    module.Output(job, views[0], display).open()
    wait_for(lambda: states == ["Running", "Complete"])


def test_a_terminal_gets_one_line_or_all_of_them(job: FakeJob, capsys: pytest.CaptureFixture[str]) -> None:
    show(job).settle()
    assert capsys.readouterr().out.count("\n") == 1
    shown = show(job, wait=True)
    job.change(state=State.COMPLETE, finished=251.0, metrics={})
    shown.settle()
    assert capsys.readouterr().out.splitlines()[1:] == ["✓ Complete digits-x7k2p · took 2:31"]


def test_a_job_rests_once_its_last_lines_had_time_to_come() -> None:
    resting = Resting()
    assert resting.ask(False, 0.0) == (False, None)
    assert resting.ask(True, 10.0) == (False, module.SETTLE_QUIET)
    resting.news(10.8)
    rests, wait = resting.ask(True, 11.0)
    assert rests is False
    assert wait == pytest.approx(0.8)
    assert resting.ask(True, 11.9) == (True, None)
    assert resting.ask(True, 12.0) == (False, None)
    assert resting.ask(False, 13.0) == (False, None)


def test_a_job_that_is_never_quiet_rests_too() -> None:
    resting = Resting()
    for tenth in range(100):
        resting.news(tenth / 10)
        rests, _ = resting.ask(True, tenth / 10)
        if rests:
            break
    assert tenth / 10 == pytest.approx(module.SETTLE_LIMIT)
