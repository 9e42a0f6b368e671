from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.widget import logs
from jupyter_trainjob.widget.logs import LogFeed, page, shown
from tests.unit.widget.jobs import HOSTILE, FakeJob, lines, running


class Front:
    """What a front end gets of a job's log, by a clock of its own."""

    def __init__(self, job: FakeJob) -> None:
        self.now = 0.0
        self.job = job
        self.feed = LogFeed(job, clock=lambda: self.now)

    def tell(self, *, whole: bool = False, after: float = 0.25) -> dict[str, Any]:
        self.now += after
        content, size = self.feed.tell(whole=whole)
        assert size <= logs.BURST_BYTES + logs.MAX_TEXT
        return content


def test_a_front_end_begins_with_the_newest_lines_and_asks_for_the_others_by_pages() -> None:
    job = FakeJob(running(log=lines(*map(str, range(1_200)))))
    front = Front(job)
    content = front.tell(whole=True)
    assert len(content["lines"]) == logs.FIRST_LINES
    assert (content["skipped"], content["lines"][-1][3]) == (0, "1199")
    answer, _ = page(job, {"before": content["before"], "limit": 500})
    assert [row[3] for row in answer["lines"]] == [str(i) for i in range(200, 700)]
    assert answer["more"]
    answer, _ = page(job, {"before": answer["before"], "limit": 500})
    assert [row[3] for row in answer["lines"]] == [str(i) for i in range(200)]
    assert not answer["more"]


def test_a_flood_is_thinned_to_what_a_comm_can_bear_and_says_so() -> None:
    job = FakeJob()
    front = Front(job)
    front.tell(whole=True)
    sent = told = skipped = 0
    for second in range(40):
        job.now = running(log=(*job.now.log, *lines(*(f"line {i} of a flood" for i in range(2_500)), start=second)))
        content = front.tell()
        told += len(content["lines"])
        skipped += content["skipped"]
        sent += len(str(content))
    assert told + skipped == 40 * 2_500
    assert sent / 10 < 200_000, "bytes a second"
    assert skipped > 80_000
    assert job.now.log[-1].text == content["lines"][-1][3]


def test_a_burst_is_no_flood() -> None:
    job = FakeJob()
    front = Front(job)
    front.tell(whole=True)
    job.now = running(log=lines(*(f"line {i}" for i in range(1_500))))
    content = front.tell()
    assert (len(content["lines"]), content["skipped"]) == (1_500, 0)


SHOWN = {
    "colours stay": ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
    "so do colours of their own": ("\x1b[38:2::1:2:3mx", "\x1b[38:2::1:2:3mx"),
    "what moves, clears and names goes": ("\x1b[2J\x1b[1;1Ha\x1b]0;title\x07b\x1b]8;;u\x1b\\c\x1b7", "abc"),
    "so do other controls and turned directions": ("a\x00\x07\x9b\u202eb\u2066c", "abc"),
    "tabs stay": ("a\tb", "a\tb"),
    "a sequence that breaks off goes": ("a\x1b[31", "a"),
    "what looks like an element is text": (HOSTILE[:27], HOSTILE[:27]),
    "long lines are cut, and say so": ("x" * 5_000, "x" * 4_000 + "\x1b[0m … 1,000 more characters"),
}


@pytest.mark.parametrize(("text", "expected"), SHOWN.values(), ids=SHOWN)
def test_a_line_as_a_page_gets_it(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_with_no_limit_a_page_counts() -> None:
    job = FakeJob(running(log=lines("a", "b", "ab")))
    answer, _ = page(job, {"pattern": "a", "limit": 0})
    assert answer["found"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": -1},
        {"limit": None},
        {"limit": 1, "nodes": "all"},
        {"limit": 1, "nodes": ["x"]},
        {"limit": 1, "pattern": 3},
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(errors.UsageError):
        page(FakeJob(), arguments)
