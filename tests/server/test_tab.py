"""A browser tab's channels: what each hears, what it may ask, and what is left when it is gone."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_trainjob.server import tab as module
from jupyter_trainjob.server.policy import Policy
from jupyter_trainjob.server.tab import FORBIDDEN, MOST, Tab
from tests.embedded import wait_for
from tests.server.cluster import AWAY, NAME, Cluster

STARTED = {"kind": "started", "context": NAME, "namespace": "default"}


class Page:
    """The other end of a tab: says things, and keeps what it is told."""

    def __init__(self, *, may_act: bool = True) -> None:
        self.news = threading.Condition()
        self.told: list[dict[str, Any]] = []
        self.tab = Tab(send=self.hear, may_act=may_act)

    def hear(self, content: dict[str, Any], _: list[bytes]) -> None:
        with self.news:
            self.told.append(content)
            self.news.notify_all()

    def say(self, kind: str, channel: int = 1, **more: Any) -> None:
        self.tab.receive({"channel": channel, "kind": kind, **more})

    def start(self, channel: int = 1, *, context: str = NAME, jobs: bool = True) -> None:
        self.say("start", channel, context=context, namespace=None, list=jobs)

    def wait_for(self, channel: int = 1, **wanted: Any) -> dict[str, Any]:
        """Return the first message to a channel with these entries; it and those of it before are forgotten."""
        wanted["channel"] = channel
        found: list[int] = []

        def there() -> bool:
            found[:] = [i for i, each in enumerate(self.told) if wanted.items() <= each.items()]
            return bool(found)

        with self.news:
            assert self.news.wait_for(there, 20), f"nothing like {wanted} in {self.told}"
            message = self.told[found[0]]
            before, after = self.told[: found[0]], self.told[found[0] + 1 :]
            self.told[:] = [*(each for each in before if each["channel"] != channel), *after]
        return message


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 20
    while gc.collect() is not None and (left := threads()):  # A job is followed until nothing refers to it.
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


@pytest.fixture
def page(cluster: Cluster) -> Iterator[Page]:
    made = Page()
    yield made
    made.tab.close()


def threads() -> list[str]:
    """Return the names of the threads that only tabs have."""
    ours = ("trainjob-place", "trainjob-view-tab", "trainjob-asks-tab", "trainjob-acts", "informer-", "trainjob-board")
    return [each.name for each in threading.enumerate() if each.name.startswith(ours)]


def test_a_list_is_told_and_a_job_of_it_opened(page: Page, cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    page.start()
    assert page.wait_for(kind="started") == {**STARTED, "channel": 1}
    assert [row["name"] for row in page.wait_for(kind="jobs", reset=True)["jobs"]] == ["digits"]
    page.say("open", job=uid)
    assert page.wait_for(kind="head", job=uid)["head"]["name"] == "digits"
    cluster.job("second")
    assert "second" in [row["name"] for row in page.wait_for(kind="jobs", reset=False)["jobs"]]


def test_what_a_page_says_at_once_waits_until_the_jobs_are_known(page: Page, cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    page.start(jobs=False)
    page.say("open", job=uid)
    page.say("ready")
    page.say("ask", id="q", job=uid, what="text", form="yaml")
    assert page.wait_for(kind="answer", id="q")["ok"] is True
    page.wait_for(kind="head", job=uid)
    assert not [each for each in page.told if each["kind"] == "jobs"], "no list was asked for"


def test_opening_jobs_asks_the_cluster_nothing_but_its_one_watch(page: Page, cluster: Cluster) -> None:
    uids = [cluster.job(f"job-{i}")["metadata"]["uid"] for i in range(5)]
    page.start()
    page.wait_for(kind="jobs")
    cluster.asked.clear()
    for uid in uids:
        page.say("open", job=uid)
    wait_for(lambda: {each["job"] for each in page.told if each["kind"] == "head"} == set(uids))
    assert cluster.asked == []


def test_a_job_that_is_gone_is_told_as_that(page: Page, cluster: Cluster) -> None:
    page.start(jobs=False)
    page.say("open", job="nobody")
    assert page.wait_for(kind="head", job="nobody")["head"]["state"] == "Deleted"


def test_a_cluster_that_is_away_is_told_and_all_comes_when_it_is_back(page: Page, cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    cluster.away = True
    page.start(jobs=False)
    page.say("open", job=uid)
    assert page.wait_for(kind="trouble")["why"] == AWAY
    cluster.away = False
    assert page.wait_for(kind="trouble")["why"] == ""
    page.wait_for(kind="head", job=uid)


def test_a_place_that_is_not_there_is_refused_in_words_and_so_is_what_is_asked_of_it(
    page: Page, cluster: Cluster
) -> None:
    page.start(context="nowhere")
    page.say("ask", id="early", job="u", what="stop")
    why = page.wait_for(kind="refused")["why"]
    assert "kubeconfig" in why
    assert page.wait_for(kind="answer", id="early")["error"] == why
    page.say("ask", id="late", job="u", what="stop")
    assert page.wait_for(kind="answer", id="late")["error"] == why
    page.start()
    page.wait_for(kind="started")


def test_two_places_of_a_tab_know_nothing_of_each_other(page: Page, cluster: Cluster) -> None:
    page.start(1)
    page.start(2, context="nowhere")
    page.wait_for(2, kind="refused")
    page.wait_for(1, kind="started")
    page.say("end", 2)
    cluster.job("digits")
    page.wait_for(1, kind="jobs")


def test_two_tabs_share_the_watches_and_either_may_go(page: Page, cluster: Cluster) -> None:
    other = Page()
    for each in (page, other):
        each.start()
        each.wait_for(kind="jobs")
    assert len([name for name in threads() if name.startswith("informer-")]) == 2
    other.tab.close()
    cluster.job("digits")
    page.wait_for(kind="jobs", reset=False)
    assert not [each for each in other.told if each.get("reset") is False]


def test_who_may_not_change_jobs_may_look(cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    page = Page(may_act=False)
    page.start()
    page.wait_for(kind="jobs")
    for what in ("stop", "resume", "delete", "rerun"):
        page.say("ask", id=what, job=uid, what=what)
        assert page.wait_for(kind="answer", id=what)["error"] == FORBIDDEN
    page.say("ask", id="q", job=uid, what="text", form="yaml")
    assert page.wait_for(kind="answer", id="q")["ok"] is True
    page.tab.close()
    assert not [each for each in cluster.asked if each.startswith(("DELETE", "PATCH", "PUT"))]


def test_after_its_end_a_channel_says_nothing_and_starts_anew_under_the_same_number(
    page: Page, cluster: Cluster
) -> None:
    page.start()
    page.wait_for(kind="jobs")
    page.say("end")
    wait_for(lambda: not [name for name in threads() if name.startswith("informer-")])
    cluster.job("digits")
    assert page.told == []
    page.start()
    assert [row["name"] for row in page.wait_for(kind="jobs", reset=True)["jobs"]] == ["digits"]


def test_a_channel_that_starts_again_has_one_watch(page: Page, cluster: Cluster) -> None:
    for _ in range(3):
        page.start()
    page.wait_for(kind="jobs")
    wait_for(lambda: len([name for name in threads() if name.startswith("trainjob-view-tab")]) <= 1)
    page.told.clear()
    cluster.job("digits")
    page.wait_for(kind="jobs")
    assert len([each for each in page.told if each["kind"] == "jobs"]) == 0


def test_a_tab_has_a_limit(page: Page, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    assert MOST > 2
    page.start(1)
    page.start(2)
    page.start(3)
    assert "2 places at once" in page.wait_for(3, kind="refused")["why"]
    page.start(2)
    page.wait_for(2, kind="started")


@pytest.mark.parametrize(
    "nonsense",
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
def test_nonsense_is_left_alone(page: Page, nonsense: Any) -> None:
    page.tab.receive(nonsense)
    assert page.told == []


def test_a_tab_that_is_closed_while_it_opens_leaves_nothing(cluster: Cluster) -> None:
    uid = cluster.job("digits")["metadata"]["uid"]
    for _ in range(20):
        page = Page()
        page.start()
        page.say("open", job=uid)
        page.tab.close()


def test_a_context_that_is_not_allowed_is_refused_and_not_asked(cluster: Cluster) -> None:
    page = Page()
    page.tab = Tab(send=page.hear, may_act=True, policy=Policy(contexts=("other",)))
    page.start()
    assert "c.TrainJobApp.contexts allows other" in page.wait_for(kind="refused")["why"]
    page.tab.close()
    assert cluster.asked == []
