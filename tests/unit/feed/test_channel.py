from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.feed.channel import Channel
from tests.unit.widget.jobs import HOSTILE, FakeJob, columns, lines, running
from tests.waiting import patience


class Front:
    """The front end of a channel: sends requests and records messages."""

    def __init__(self, job: FakeJob) -> None:
        self.received = threading.Condition()
        self.messages: list[dict[str, Any]] = []
        self.channel = Channel(send=self.receive, find_job=job.sibling, name="test")
        self.channel.open(job)

    def receive(self, content: dict[str, Any], _: list[bytes]) -> None:
        with self.received:
            self.messages.append(content)
            self.received.notify_all()

    def ask(self, operation: Any, *, job: Any = "uid-1", request: str = "q", **arguments: Any) -> None:
        self.channel.receive({"kind": "ask", "id": request, "job": job, "what": operation, **arguments})

    def wait_for(self, **entries: Any) -> dict[str, Any]:
        """Remove and return the first message with these entries."""
        matches: list[dict[str, Any]] = []

        def has_match() -> bool:
            matches[:] = [message for message in self.messages if entries.items() <= message.items()]
            return bool(matches)

        with self.received:
            assert self.received.wait_for(has_match, patience(60)), f"no {entries} in {self.messages}"
            self.messages.remove(matches[0])
        return matches[0]

    def answer(self, request: str = "q") -> dict[str, Any]:
        return self.wait_for(kind="answer", id=request)


@pytest.fixture
def job() -> FakeJob:
    return FakeJob(running(log=lines("a")), columns((0, 1, 0, 2.0)))


@pytest.fixture
def front(job: FakeJob) -> Iterator[Front]:
    front = Front(job)
    yield front
    front.channel.close()
    assert front.channel.join(patience(60))
    assert job.callbacks == []


@pytest.mark.parametrize("action", ["stop", "resume", "delete"])
def test_action_runs_and_is_answered(front: Front, job: FakeJob, action: str) -> None:
    front.ask(action)
    assert front.answer() == {"kind": "answer", "id": "q", "ok": True}
    assert job.actions == [action]


def test_rerun_sends_the_job_once_and_the_new_job_can_be_opened(front: Front, job: FakeJob) -> None:
    front.ask("rerun")
    answer = front.answer()
    assert (answer["ok"], answer["uid"], answer["name"]) == (True, "uid-2", "digits-again")
    (difference,) = answer["differences"]
    assert difference.startswith("numpy is 2.4 now")
    assert "\x1b" not in difference
    front.channel.receive({"kind": "open", "job": "uid-2"})
    assert front.wait_for(kind="head", job="uid-2")["head"]["name"] == "digits-again"
    assert job.actions == ["rerun"]


def test_error_of_an_action_is_answered_with_its_sanitized_message(front: Front, job: FakeJob) -> None:
    job.error = errors.Forbidden(403, "Forbidden", f"you may not {HOSTILE}")
    front.ask("stop")
    answer = front.answer()
    assert answer["ok"] is False
    assert answer["error"].startswith("you may not")
    assert "\x1b" not in answer["error"]


def test_unexpected_exception_is_logged_and_answered(
    front: Front, job: FakeJob, caplog: pytest.LogCaptureFixture
) -> None:
    job.error = KeyError("no")
    front.ask("stop")
    assert "KeyError" in front.answer()["error"]
    assert "a request of the widget failed" in caplog.text


@pytest.mark.parametrize("operation", ["fly", None, ["stop"], "__class__"])
def test_unknown_request_is_refused_with_a_remedy(front: Front, job: FakeJob, operation: Any) -> None:
    front.ask(operation)
    assert "Restart the kernel, or reload the page" in front.answer()["error"]
    assert job.actions == []


@pytest.mark.parametrize("content", [None, "stop", {}, {"kind": "stop"}, {"kind": ["ask"]}, {"kind": "ask", "id": 1}])
def test_malformed_message_is_ignored(front: Front, job: FakeJob, content: Any) -> None:
    front.channel.receive(content)
    front.ask("text", form="yaml")
    assert front.answer()["text"] == "kind: TrainJob"
    assert job.actions == []


def test_action_requested_again_while_it_runs_runs_once_and_is_answered_twice(front: Front, job: FakeJob) -> None:
    started, proceed = threading.Event(), threading.Event()

    def stop_slowly() -> None:
        job.actions.append("stop")
        started.set()
        assert proceed.wait(patience(60))

    job.stop = stop_slowly  # type: ignore[method-assign]
    front.ask("stop", request="1")
    assert started.wait(patience(60))
    front.ask("stop", request="2")
    front.ask("text", form="yaml", request="3")
    assert front.answer("3")["ok"], "reads do not wait for actions"
    proceed.set()
    assert front.answer("1")["ok"]
    assert front.answer("2")["ok"]
    assert job.actions == ["stop"]
    front.ask("stop", request="4")
    front.answer("4")
    assert job.actions == ["stop", "stop"]


def test_other_job_can_be_opened_and_closed(front: Front, job: FakeJob) -> None:
    other = FakeJob(replace(running(log=lines("b")), uid="uid-2", name="again"))
    job.others["uid-2"] = other
    front.channel.receive({"kind": "open", "job": "uid-2"})
    assert front.wait_for(kind="head", job="uid-2")["head"]["name"] == "again"
    assert front.wait_for(kind="log", job="uid-2")["lines"][0][3] == "b"
    front.ask("stop", job="uid-2")
    front.answer()
    assert (job.actions, other.actions) == ([], ["stop"])
    assert len(other.callbacks) == 1
    front.wait_for(kind="curves", job="uid-1")
    front.channel.receive({"kind": "close", "job": "uid-2"})
    front.channel.receive({"kind": "ready"})
    front.wait_for(kind="curves", job="uid-1")
    assert other.callbacks == []


def test_action_on_a_deleted_job_is_refused(front: Front) -> None:
    front.ask("stop", job="uid-9")
    assert front.answer()["error"] == "It was deleted."


def test_opening_a_deleted_job_sends_a_head_in_state_deleted(front: Front) -> None:
    front.channel.receive({"kind": "open", "job": "uid-9"})
    head = front.wait_for(kind="head", job="uid-9")["head"]
    assert (head["state"], head["reason"]) == ("Deleted", "It was deleted.")


def test_slow_action_does_not_delay_actions_on_other_jobs(front: Front, job: FakeJob) -> None:
    other, proceed = FakeJob(replace(running(), uid="uid-2")), threading.Event()
    job.others["uid-2"] = other
    job.stop = lambda: wait_until_set(proceed)  # type: ignore[method-assign]
    front.ask("stop", request="1")
    front.ask("stop", request="2", job="uid-2")
    assert front.answer("2")["ok"]
    proceed.set()
    assert front.answer("1")["ok"]


def wait_until_set(event: threading.Event) -> None:
    assert event.wait(patience(60))


def test_thread_exits_when_nothing_changes(front: Front) -> None:
    front.channel._updates._linger = 0.01
    front.channel.receive({"kind": "ready"})
    front.wait_for(kind="curves", reset=True)
    assert front.channel._updates.join(patience(60))


def test_details_have_no_escape_sequences(front: Front) -> None:
    front.ask("details")
    answer = front.answer()
    assert answer["sections"] == [{"title": "Values", "rows": [["lr", "float", "12 B", "0.1"]]}]
    assert answer["none"] == ""


def test_channel_closed_while_a_job_opens_unsubscribes(job: FakeJob) -> None:
    channel = Channel(send=lambda _, __: None, find_job=job.sibling, name="test")
    subscribe = job.subscribe

    def close_and_subscribe(callback: Callable[[], None]) -> Callable[[], None]:
        channel.close()
        return subscribe(callback)

    job.subscribe = close_and_subscribe  # type: ignore[method-assign]
    channel.open(job)
    assert job.callbacks == []
    assert channel.join(patience(60))
