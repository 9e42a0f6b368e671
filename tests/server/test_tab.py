"""The session of a browser tab: its channels, their messages, permissions and cleanup."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_trainjob.server import stream_session as module
from jupyter_trainjob.server.access_policy import Policy
from jupyter_trainjob.server.stream_session import FORBIDDEN, MAX_CHANNELS, TabSession
from tests.server.cluster import AWAY, NAME, Cluster
from tests.server.session_threads import RunningThreads
from tests.waiting import patience, wait_for

STARTED = {"kind": "started", "context": NAME, "namespace": "default"}


class Page:
    """A browser tab that sends messages and records what it receives."""

    def __init__(self, *, may_act: bool = True) -> None:
        self.received = threading.Condition()
        self.messages: list[dict[str, Any]] = []
        self.session = TabSession(send=self.record, may_act=may_act)

    def record(self, content: dict[str, Any], _: list[bytes]) -> None:
        with self.received:
            self.messages.append(content)
            self.received.notify_all()

    def send(self, kind: str, channel: int = 1, **more: Any) -> None:
        self.session.receive({"channel": channel, "kind": kind, **more})

    def start(self, channel: int = 1, *, context: str = NAME, jobs: bool = True) -> None:
        self.send("start", channel, context=context, namespace=None, list=jobs)

    def wait_for(self, channel: int = 1, **entries: Any) -> dict[str, Any]:
        """Return the first message of a channel with these entries; drop it and the earlier ones of the channel."""
        entries["channel"] = channel
        matches: list[int] = []

        def has_match() -> bool:
            matches[:] = [i for i, message in enumerate(self.messages) if entries.items() <= message.items()]
            return bool(matches)

        with self.received:
            assert self.received.wait_for(has_match, patience(60)), f"no {entries} in {self.messages}"
            message = self.messages[matches[0]]
            before, after = self.messages[: matches[0]], self.messages[matches[0] + 1 :]
            self.messages[:] = [*(earlier for earlier in before if earlier["channel"] != channel), *after]
        return message


@pytest.fixture(autouse=True)
def no_thread_remains(session_threads: RunningThreads) -> Iterator[None]:
    yield
    session_threads.wait_for_exit()


@pytest.fixture
def page(cluster: Cluster) -> Iterator[Page]:
    page = Page()
    yield page
    page.session.close()


def test_list_is_sent_and_its_jobs_can_be_opened(page: Page, cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    page.start()
    assert page.wait_for(kind="started") == {**STARTED, "channel": 1}
    assert [row["name"] for row in page.wait_for(kind="jobs", reset=True)["jobs"]] == ["digits"]
    page.send("open", job=uid)
    assert page.wait_for(kind="head", job=uid)["head"]["name"] == "digits"
    cluster.job("second")
    assert "second" in [row["name"] for row in page.wait_for(kind="jobs", reset=False)["jobs"]]


def test_messages_about_jobs_wait_until_the_list_is_synced(page: Page, cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    page.start(jobs=False)
    page.send("open", job=uid)
    page.send("ready")
    page.send("ask", id="q", job=uid, what="text", form="yaml")
    assert page.wait_for(kind="answer", id="q")["ok"] is True
    page.wait_for(kind="head", job=uid)
    assert not [message for message in page.messages if message["kind"] == "jobs"], "no list was requested"


def test_opening_jobs_sends_no_requests_besides_the_watch(page: Page, cluster: Cluster) -> None:
    uids = [cluster.job(f"job-{i}")["metadata"]["uid"] for i in range(5)]
    page.start()
    page.wait_for(kind="jobs")
    cluster.requests.clear()
    for uid in uids:
        page.send("open", job=uid)
    wait_for(lambda: {message["job"] for message in page.messages if message["kind"] == "head"} == set(uids))
    assert cluster.requests == []


def test_deleted_job_has_a_head_in_state_deleted(page: Page, cluster: Cluster) -> None:
    page.start(jobs=False)
    page.send("open", job="nobody")
    assert page.wait_for(kind="head", job="nobody")["head"]["state"] == "Deleted"


def test_unreachable_cluster_sends_its_error_until_it_is_back(page: Page, cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    cluster.unreachable = True
    page.start(jobs=False)
    page.send("open", job=uid)
    assert page.wait_for(kind="trouble")["why"] == AWAY
    cluster.unreachable = False
    assert page.wait_for(kind="trouble")["why"] == ""
    page.wait_for(kind="head", job=uid)


def test_unknown_context_is_refused_with_all_its_requests(page: Page, cluster: Cluster) -> None:
    page.start(context="nowhere")
    page.send("ask", id="early", job="u", what="stop")
    why = page.wait_for(kind="refused")["why"]
    assert "kubeconfig" in why
    assert page.wait_for(kind="answer", id="early")["error"] == why
    page.send("ask", id="late", job="u", what="stop")
    assert page.wait_for(kind="answer", id="late")["error"] == why
    page.start()
    page.wait_for(kind="started")


def test_channels_of_a_tab_are_independent(page: Page, cluster: Cluster) -> None:
    page.start(1)
    page.start(2, context="nowhere")
    page.wait_for(2, kind="refused")
    page.wait_for(1, kind="started")
    page.send("end", 2)
    cluster.job("digits")
    page.wait_for(1, kind="jobs")


def test_two_tabs_share_watches_and_close_independently(
    page: Page, cluster: Cluster, session_threads: RunningThreads
) -> None:
    other = Page()
    for tab in (page, other):
        tab.start()
        tab.wait_for(kind="jobs")
    assert len([name for name in session_threads() if name.startswith("informer-")]) == 2
    other.session.close()
    cluster.job("digits")
    page.wait_for(kind="jobs", reset=False)
    assert not [message for message in other.messages if message.get("reset") is False]


def test_user_without_permission_to_change_jobs_can_read_them(cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    page = Page(may_act=False)
    page.start()
    page.wait_for(kind="jobs")
    for action in ("stop", "resume", "delete", "rerun"):
        page.send("ask", id=action, job=uid, what=action)
        assert page.wait_for(kind="answer", id=action)["error"] == FORBIDDEN
    page.send("ask", id="q", job=uid, what="text", form="yaml")
    assert page.wait_for(kind="answer", id="q")["ok"] is True
    page.session.close()
    assert not [request for request in cluster.requests if request.startswith(("DELETE", "PATCH", "PUT"))]


def test_ended_channel_sends_nothing_and_can_be_started_again(
    page: Page, cluster: Cluster, session_threads: RunningThreads
) -> None:
    page.start()
    page.wait_for(kind="jobs")
    page.send("end")
    wait_for(lambda: not [name for name in session_threads() if name.startswith("informer-")])
    cluster.job("digits")
    assert page.messages == []
    page.start()
    assert [row["name"] for row in page.wait_for(kind="jobs", reset=True)["jobs"]] == ["digits"]


def test_channel_that_is_started_again_has_one_watch(
    page: Page, cluster: Cluster, session_threads: RunningThreads
) -> None:
    for _ in range(3):
        page.start()
    page.wait_for(kind="jobs")
    wait_for(lambda: len([name for name in session_threads() if name.startswith("trainjob-view-tab")]) <= 1)
    page.messages.clear()
    cluster.job("digits")
    page.wait_for(kind="jobs")
    assert len([message for message in page.messages if message["kind"] == "jobs"]) == 0


def test_number_of_channels_is_limited(page: Page, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHANNELS", 2)
    assert MAX_CHANNELS > 2
    page.start(1)
    page.start(2)
    page.start(3)
    assert "can have 2 channels" in page.wait_for(3, kind="refused")["why"]
    page.start(2)
    page.wait_for(2, kind="started")


@pytest.mark.parametrize(
    "content",
    [
        None,
        3,
        [],
        {},
        {"kind": "start"},
        {"kind": "start", "channel": "1"},
        {"kind": "start", "channel": True},
        {"kind": "start", "channel": 1, "context": 3},
        {"kind": "ask", "channel": 9, "id": "q", "job": "u", "what": "stop"},
        {"kind": "ask", "channel": 9, "what": []},
        {"kind": "end", "channel": 9},
        {"kind": [], "channel": 1},
    ],
)
def test_malformed_message_is_ignored(page: Page, content: Any) -> None:
    page.session.receive(content)
    assert page.messages == []


def test_session_closed_while_a_channel_opens_leaves_no_threads(cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    for _ in range(20):
        page = Page()
        page.start()
        page.send("open", job=uid)
        page.session.close()


def test_context_that_is_not_allowed_is_refused_without_a_request(cluster: Cluster) -> None:
    page = Page()
    page.session = TabSession(send=page.record, may_act=True, policy=Policy(contexts=("other",)))
    page.start()
    assert "c.TrainJobApp.contexts allows other" in page.wait_for(kind="refused")["why"]
    page.session.close()
    assert cluster.requests == []
