from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.client.watching.log_buffer import LogBuffer
from jupyter_trainjob.feed import log_pages
from jupyter_trainjob.feed.log_pages import LogFeed, read_page, sanitize_line, search
from jupyter_trainjob.metrics import log_lines
from jupyter_trainjob.metrics.history import History
from tests.unit.widget.jobs import HOSTILE, FakeJob, lines, running


class Front:
    """A front end that reads a job's log messages, with a clock that a test advances."""

    def __init__(self, job: FakeJob) -> None:
        self.now = 0.0
        self.job = job
        self.feed = LogFeed(job, clock=lambda: self.now)

    def next_message(self, *, whole: bool = False, after: float = 0.25) -> dict[str, Any]:
        self.now += after
        content, size = self.feed.next_message(whole=whole)
        assert size <= log_pages.BURST_BYTES + log_pages.MAX_TEXT
        return content


def test_first_message_has_the_newest_lines_and_pages_have_the_others() -> None:
    job = FakeJob(running(log=lines(*map(str, range(1_200)))))
    front = Front(job)
    content = front.next_message(whole=True)
    assert len(content["lines"]) == log_pages.FIRST_LINES
    assert (content["skipped"], content["lines"][-1][3]) == (0, "1199")
    answer, _ = read_page(job, {"before": content["before"], "limit": 500})
    assert [row[3] for row in answer["lines"]] == [str(i) for i in range(200, 700)]
    assert answer["more"]
    answer, _ = read_page(job, {"before": answer["before"], "limit": 500})
    assert [row[3] for row in answer["lines"]] == [str(i) for i in range(200)]
    assert not answer["more"]


@pytest.mark.slow
def test_flood_is_cut_to_the_rate_limit_and_skipped_lines_are_counted() -> None:
    job = FakeJob()
    front = Front(job)
    front.next_message(whole=True)
    size = rows = skipped = 0
    for second in range(40):
        job.now = running(log=(*job.now.log, *lines(*(f"line {i} of a flood" for i in range(2_500)), start=second)))
        content = front.next_message()
        rows += len(content["lines"])
        skipped += content["skipped"]
        size += len(str(content))
    assert rows + skipped == 40 * 2_500
    assert size / 10 < 200_000, "bytes a second"
    assert skipped > 80_000
    assert job.now.log[-1].text == content["lines"][-1][3]


def test_burst_is_sent_whole() -> None:
    job = FakeJob()
    front = Front(job)
    front.next_message(whole=True)
    job.now = running(log=lines(*(f"line {i}" for i in range(1_500))))
    content = front.next_message()
    assert (len(content["lines"]), content["skipped"]) == (1_500, 0)


SANITIZED = {
    "colours stay": ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
    "true colours stay": ("\x1b[38:2::1:2:3mx", "\x1b[38:2::1:2:3mx"),
    "cursor movement, clearing, titles and links go": (
        "\x1b[2J\x1b[1;1Ha\x1b]0;title\x07b\x1b]8;;u\x1b\\c\x1b7",
        "abc",
    ),
    "other controls and bidirectional controls go": ("a\x00\x07\x9b\u202eb\u2066c", "abc"),
    "tabs stay": ("a\tb", "a\tb"),
    "an incomplete sequence is removed": ("a\x1b[31", "a"),
    "HTML is left as text": (HOSTILE[:27], HOSTILE[:27]),
    "long lines are cut with a note": ("x" * 5_000, "x" * 4_000 + "\x1b[0m … 1,000 more characters"),
}


@pytest.mark.parametrize(("text", "expected"), SANITIZED.values(), ids=SANITIZED)
def test_line_is_sanitized(text: str, expected: str) -> None:
    assert sanitize_line(text) == expected


def test_page_with_limit_0_counts_the_matches() -> None:
    job = FakeJob(running(log=lines("a", "b", "ab")))
    answer, _ = read_page(job, {"pattern": "a", "limit": 0})
    assert answer["found"] == 2


def test_cursor_of_the_first_message_is_the_earliest_line_not_the_first_read(tmp_path: Path) -> None:
    with closing(History(tmp_path / "history.db")) as history:
        book = LogBuffer(lambda *, before, nodes: history.newest_lines("job", before=before, nodes=nodes))
        for node, pod in enumerate("ab"):  # Both started at once; b is read after a.
            for number in range(5):
                line = log_lines.PodLogLine(f"2026-01-02T03:04:0{number}.{9 - node}Z", 0, f"{pod}{number}".encode())
                history.add("job", pod, node, [line])
                book.add(pod, node, line)
        job = FakeJob()
        job.log_buffer = lambda: book  # type: ignore[method-assign]
        content = Front(job).next_message(whole=True)
        assert [row[3] for row in content["lines"]][:1] == ["a0"]
        answer, _ = read_page(job, {"before": content["before"], "limit": 500})
        assert answer["lines"] == [], "b0 is the earliest, and was in the first message"


def test_search_returns_the_match_with_the_lines_around_it() -> None:
    job = FakeJob(running(log=lines(*map(str, range(1_200)))))
    answer, _ = search(job, {"pattern": "300", "since": None})
    assert [answer["lines"][answer["index"]][3], answer["more"], answer["skipped"]] == ["300", True, 799]
    nothing, _ = search(job, {"pattern": "300", "before": answer["before"], "oldest": True})
    assert (nothing["index"], nothing["lines"]) == (None, [])
    with pytest.raises(errors.UsageError, match="not a time"):
        search(job, {"pattern": "300", "since": "yesterday"})


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
def test_invalid_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(errors.UsageError):
        read_page(FakeJob(), arguments)
