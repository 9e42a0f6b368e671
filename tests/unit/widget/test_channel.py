from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.widget.channel import Channel
from tests.unit.widget.jobs import HOSTILE, FakeJob, columns, lines, running


class Front:
    """The other end of a channel: asks, and keeps what it is told."""

    def __init__(self, job: FakeJob) -> None:
        self.news = threading.Condition()
        self.told: list[dict[str, Any]] = []
        self.channel = Channel(send=self.receive, find=job.other, name="test")
        self.channel.open(job)

    def receive(self, content: dict[str, Any], _: list[bytes]) -> None:
        with self.news:
            self.told.append(content)
            self.news.notify_all()

    def ask(self, what: Any, *, job: Any = "uid-1", request: str = "q", **arguments: Any) -> None:
        self.channel.receive({"kind": "ask", "id": request, "job": job, "what": what, **arguments})

    def wait_for(self, **wanted: Any) -> dict[str, Any]:
        """Return the first message with these entries, which is then forgotten."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [each for each in self.told if wanted.items() <= each.items()]
            return bool(found)

        with self.news:
            assert self.news.wait_for(there, 5), f"nothing like {wanted} in {self.told}"
            self.told.remove(found[0])
        return found[0]

    def answer(self, request: str = "q") -> dict[str, Any]:
        return self.wait_for(kind="answer", id=request)


@pytest.fixture
def job() -> FakeJob:
    return FakeJob(running(log=lines("a")), columns((0, 1, 0, 2.0)))


@pytest.fixture
def front(job: FakeJob) -> Iterator[Front]:
    made = Front(job)
    yield made
    made.channel.close()
    assert made.channel.join(5)
    assert job.callbacks == []


@pytest.mark.parametrize("deed", ["stop", "resume", "delete"])
def test_what_changes_a_job_is_done_and_answered(front: Front, job: FakeJob, deed: str) -> None:
    front.ask(deed)
    assert front.answer() == {"kind": "answer", "id": "q", "ok": True}
    assert job.deeds == [deed]


def test_a_job_is_sent_again_once_and_its_copy_is_opened(front: Front, job: FakeJob) -> None:
    front.ask("rerun")
    answer = front.answer()
    assert (answer["ok"], answer["uid"], answer["name"]) == (True, "uid-2", "digits-again")
    (difference,) = answer["differences"]
    assert difference.startswith("numpy is 2.4 now")
    assert "\x1b" not in difference
    front.channel.receive({"kind": "open", "job": "uid-2"})
    assert front.wait_for(kind="head", job="uid-2")["head"]["name"] == "digits-again"
    assert job.deeds == ["rerun"]


def test_a_refusal_is_told_in_words(front: Front, job: FakeJob) -> None:
    job.refusal = errors.Forbidden(403, "Forbidden", f"you may not {HOSTILE}")
    front.ask("stop")
    answer = front.answer()
    assert answer["ok"] is False
    assert answer["error"].startswith("you may not")
    assert "\x1b" not in answer["error"]


def test_a_bug_is_answered_too(front: Front, job: FakeJob, caplog: pytest.LogCaptureFixture) -> None:
    job.refusal = KeyError("no")
    front.ask("stop")
    assert "KeyError" in front.answer()["error"]
    assert "a request of the widget failed" in caplog.text


@pytest.mark.parametrize("what", ["fly", None, ["stop"], "__class__"])
def test_what_is_not_known_is_refused_in_words(front: Front, job: FakeJob, what: Any) -> None:
    front.ask(what)
    assert "Restart the kernel, or reload the page" in front.answer()["error"]
    assert job.deeds == []


@pytest.mark.parametrize("content", [None, "stop", {}, {"kind": "stop"}, {"kind": ["ask"]}, {"kind": "ask", "id": 1}])
def test_what_makes_no_sense_is_left_alone(front: Front, job: FakeJob, content: Any) -> None:
    front.channel.receive(content)
    front.ask("text", form="yaml")
    assert front.answer()["text"] == "kind: TrainJob"
    assert job.deeds == []


def test_asked_again_while_it_is_done_a_deed_is_done_once_and_answered_twice(front: Front, job: FakeJob) -> None:
    going, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        job.deeds.append("stop")
        going.set()
        assert go_on.wait(5)

    job.halt = slow  # type: ignore[method-assign]
    front.ask("stop", request="1")
    assert going.wait(5)
    front.ask("stop", request="2")
    front.ask("text", form="yaml", request="3")
    assert front.answer("3")["ok"], "nobody who only asks waits for a deed"
    go_on.set()
    assert front.answer("1")["ok"]
    assert front.answer("2")["ok"]
    assert job.deeds == ["stop"]
    front.ask("stop", request="4")
    front.answer("4")
    assert job.deeds == ["stop", "stop"]


def test_another_job_is_opened_fed_and_closed(front: Front, job: FakeJob) -> None:
    other = FakeJob(replace(running(log=lines("b")), uid="uid-2", name="again"))
    job.others["uid-2"] = other
    front.channel.receive({"kind": "open", "job": "uid-2"})
    assert front.wait_for(kind="head", job="uid-2")["head"]["name"] == "again"
    assert front.wait_for(kind="log", job="uid-2")["lines"][0][3] == "b"
    front.ask("stop", job="uid-2")
    front.answer()
    assert (job.deeds, other.deeds) == ([], ["stop"])
    assert len(other.callbacks) == 1
    front.wait_for(kind="curves", job="uid-1")
    front.channel.receive({"kind": "close", "job": "uid-2"})
    front.channel.receive({"kind": "ready"})
    front.wait_for(kind="curves", job="uid-1")
    assert other.callbacks == []


def test_a_job_that_is_gone_is_said_to_be(front: Front) -> None:
    front.ask("stop", job="uid-9")
    assert front.answer()["error"] == "It was deleted."


def test_a_job_that_was_deleted_cannot_be_opened_and_the_page_is_told(front: Front) -> None:
    front.channel.receive({"kind": "open", "job": "uid-9"})
    head = front.wait_for(kind="head", job="uid-9")["head"]
    assert (head["state"], head["reason"]) == ("Deleted", "It was deleted.")


def test_a_slow_deed_to_one_job_holds_up_no_other(front: Front, job: FakeJob) -> None:
    other, go_on = FakeJob(replace(running(), uid="uid-2")), threading.Event()
    job.others["uid-2"] = other
    job.halt = lambda: assert_set(go_on)  # type: ignore[method-assign]
    front.ask("stop", request="1")
    front.ask("stop", request="2", job="uid-2")
    assert front.answer("2")["ok"]
    go_on.set()
    assert front.answer("1")["ok"]


def assert_set(event: threading.Event) -> None:
    """Wait for an event."""
    assert event.wait(5)


def test_a_view_of_a_finished_job_has_no_thread_after_a_while(front: Front) -> None:
    front.channel._beat._linger = 0.01
    front.channel.receive({"kind": "ready"})
    front.wait_for(kind="curves", reset=True)
    assert front.channel._beat.join(10)


def test_details_are_words_without_escape_sequences(front: Front) -> None:
    front.ask("details")
    answer = front.answer()
    assert answer["sections"] == [{"title": "Values", "rows": [["lr", "float", "12 B", "0.1"]]}]
    assert answer["none"] == ""


def test_a_channel_that_is_closed_while_a_job_opens_follows_it_no_more(job: FakeJob) -> None:
    channel = Channel(send=lambda _, __: None, find=job.other, name="test")
    subscribe = job.subscribe

    def closed_meanwhile(callback: Callable[[], None]) -> Callable[[], None]:
        channel.close()
        return subscribe(callback)

    job.subscribe = closed_meanwhile  # type: ignore[method-assign]
    channel.open(job)
    assert job.callbacks == []
    assert channel.join(5)
