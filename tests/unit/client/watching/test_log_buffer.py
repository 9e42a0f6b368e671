from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.client.watching import log_buffer
from jupyter_trainjob.client.watching.log_buffer import LogBuffer, format_cursor
from jupyter_trainjob.metrics.history import History
from jupyter_trainjob.metrics.log_lines import PodLogLine
from tests.waiting import patience


def line(second: float, text: str, *, row: str = "", overwritten: bool = False) -> PodLogLine:
    return PodLogLine(f"2026-01-02T03:04:{second:012.9f}Z", 0, text.encode(), None, row, not overwritten)


@pytest.fixture
def history(tmp_path: Path):  # type: ignore[no-untyped-def]
    history = History(tmp_path / "history.db")
    yield history
    history.close()


def keep(history: History, book: LogBuffer, pod: str, node: int, *lines: PodLogLine) -> None:
    history.add("job", pod, node, lines)
    for item in lines:
        book.add(pod, node, item)


def book_of(history: History) -> LogBuffer:
    return LogBuffer(lambda *, before, nodes: history.newest_lines("job", before=before, nodes=nodes))


def test_after_returns_each_line_once_in_the_order_of_arrival(history: History) -> None:
    book = book_of(history)
    book.add("a", 0, line(2, "two"))
    first = book.after(None, limit=10)
    book.add("b", 1, line(1, "late"))
    fresh = book.after(first.number, limit=10)
    assert [(item.node, item.text) for item in first.lines] == [(0, "two")]
    assert [(item.node, item.text) for item in fresh.lines] == [(1, "late")]
    assert book.after(fresh.number, limit=10).lines == []
    assert [item.text for item in book.tail(10)] == ["late", "two"]


def test_after_counts_the_lines_that_a_full_buffer_skipped(history: History) -> None:
    book = book_of(history)
    book.add("a", 0, line(0, "first"))
    last_number = book.after(None, limit=10).number
    for number in range(log_buffer.MAX_LINES_IN_MEMORY + 100):
        book.add("a", 0, line(number % 60, str(number)))
    fresh = book.after(last_number, limit=10)
    assert [item.text for item in fresh.lines] == [str(log_buffer.MAX_LINES_IN_MEMORY + 90 + i) for i in range(10)]
    assert fresh.skipped == log_buffer.MAX_LINES_IN_MEMORY + 90
    assert book.after(None, limit=10).skipped == 0, "what was before the beginning is not missed"


def test_overwritten_row_is_one_line_with_a_stable_row_number(history: History) -> None:
    book = book_of(history)
    book.add("a", 0, line(1, "10%", row="r"))
    book.add("a", 0, line(1, "10% of another pod", row="s"))
    earlier = book.after(None, limit=10)
    book.add("a", 0, line(2, "20%", row="r"))
    book.add("a", 0, line(3, "30%", row="r"))
    (fresh,) = book.after(earlier.number, limit=10).lines
    assert (fresh.text, fresh.row) == ("30%", earlier.lines[0].row)
    assert book.after(earlier.number, limit=10).skipped == 0
    assert [item.text for item in book.tail(10)] == ["10% of another pod", "30%"]
    book.add("a", 0, line(4, "", row="r"))
    assert [item.text for item in book.after(fresh.number, limit=10).lines] == [""], "it is taken away"
    assert [item.text for item in book.tail(10)] == ["10% of another pod"]
    assert [item.text for item in book.after(None, limit=10).lines] == ["10% of another pod"]


def test_pages_cover_all_stored_lines_in_the_order_of_time(history: History) -> None:
    book = book_of(history)
    for node, pod in enumerate(("a", "b", "c")):
        keep(history, book, pod, node, *(line(i * 0.01 + node * 0.001, f"{i}.{node}") for i in range(2_000)))
    newest = book.page(limit=700)
    texts = [item.text for item in newest.lines]
    pages = 1
    while newest.more:
        newest = book.page(before=newest.before, limit=700)
        texts = [item.text for item in newest.lines] + texts
        pages += 1
    assert texts == [f"{i}.{node}" for i in range(2_000) for node in range(3)]
    assert pages == 9


def test_lines_with_equal_times_are_neither_lost_nor_repeated_between_pages(history: History) -> None:
    book = book_of(history)
    for node, pod in enumerate(("b", "a")):
        stamp = line(1, "").stamp
        keep(history, book, pod, node, *(PodLogLine(stamp, i, f"{i}{pod}".encode()) for i in range(5)))
    texts: list[str] = []
    before = None
    while True:
        page = book.page(before=before, limit=3)
        texts = [item.text for item in page.lines] + texts
        if not page.more:
            break
        before = page.before
    assert texts == ["0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b"]


def test_page_before_the_cursor_of_an_arrived_line(history: History) -> None:
    book = book_of(history)
    keep(history, book, "a", 0, *(line(i, str(i)) for i in range(10)))
    third = book.after(None, limit=7).lines[0]
    assert [item.text for item in book.page(before=format_cursor(third.position)).lines] == ["0", "1", "2"]


def test_pages_and_counts_search_all_stored_lines(history: History) -> None:
    book = book_of(history)
    texts = ["loss 0.5", "\x1b[31mVal\x1b[0mueError: no", "LOSS 0.25", "a.b", "axb"]
    keep(history, book, "a", 0, *(line(i, text) for i, text in enumerate(texts)))
    keep(history, book, "b", 1, line(9, "loss 9"))

    def texts_of(**wanted: object) -> list[str]:
        assert book.count(**wanted) == len(book.page(**wanted).lines)  # type: ignore[arg-type]
        return [item.text for item in book.page(**wanted).lines]  # type: ignore[arg-type]

    assert texts_of(pattern="loss") == ["loss 0.5", "LOSS 0.25", "loss 9"]
    assert texts_of(pattern="loss", nodes=[0]) == ["loss 0.5", "LOSS 0.25"]
    assert texts_of(pattern="a.b") == ["a.b"]
    assert texts_of(pattern="a.b", regex=True) == ["a.b", "axb"]
    assert texts_of(pattern="valueerror") == [texts[1]], "colours are no part of what is read"
    assert texts_of(errors_only=True) == [texts[1]]
    assert texts_of(errors_only=True, pattern="loss") == []


def test_find_match_returns_the_newest_or_oldest_match_with_its_context(history: History) -> None:
    book = book_of(history)
    for node, pod in enumerate("ab"):
        keep(history, book, pod, node, *(line(i * 0.01 + node * 0.001, f"step {i} of {pod}") for i in range(3_000)))

    newest = book.find_match(pattern="step 500 of")
    assert newest is not None
    assert newest.lines[newest.index].text == "step 500 of b"
    assert len(newest.lines) == 2 * log_buffer.CONTEXT_LINES + 1
    assert (newest.more, newest.skipped) == (True, 6_000 - 1_002 - log_buffer.CONTEXT_LINES)
    assert book.count(before=newest.before, pattern="step 500 of") == 0
    rest = book.page(before=newest.before, limit=10_000).lines
    assert len(rest) + len(newest.lines) + newest.skipped == 6_000

    oldest = book.find_match(pattern="of b", oldest=True)
    assert oldest is not None
    assert (oldest.lines[0].text, oldest.lines[oldest.index].text) == ("step 0 of a", "step 0 of b")
    assert (oldest.more, oldest.skipped) == (False, 6_000 - 2 - log_buffer.CONTEXT_LINES)

    since = newest.lines[-1].time
    assert book.find_match(pattern="step 500 of", since=since) is None
    later = book.find_match(pattern="of a", oldest=True, since=since)
    assert later is not None
    assert later.index == 0 or later.lines[0].time > since
    assert book.find_match(pattern="of a", nodes=[1]) is None
    assert book.find_match(pattern="nowhere") is None


@pytest.mark.parametrize(
    ("wanted", "why"),
    {
        "invalid regular expression": ({"pattern": "(", "regex": True}, "is not a valid regular expression"),
        "too long": ({"pattern": "x" * 1_000}, "the limit is 500"),
        "invalid cursor": ({"before": "somewhere"}, "is not a log cursor"),
    }.values(),
)
def test_invalid_query_raises_a_usage_error(history: History, wanted: dict[str, str], why: str) -> None:
    with pytest.raises(errors.UsageError, match=why):
        book_of(history).page(**wanted)  # type: ignore[arg-type]


def test_load_fills_the_buffer_from_the_history(history: History) -> None:
    keep(history, book_of(history), "a", 0, line(1, "one"), line(2, "50%", row="r"))
    keep(history, book_of(history), "b", 1, line(1.5, "of b"))
    book = book_of(history)
    assert book.load() == {"a": line(2, "").position, "b": line(1.5, "").position}
    assert [item.text for item in book.after(None, limit=10).lines] == ["one", "of b", "50%"]
    last = book.after(None, limit=1).lines[0]
    book.add("a", 0, line(3, "60%", row="r"))
    assert [(item.text, item.row) for item in book.after(3, limit=10).lines] == [("60%", last.row)]


def test_readers_and_writers_do_not_block_each_other(history: History) -> None:
    book = book_of(history)
    keep(history, book, "a", 0, *(line(i * 0.01, str(i)) for i in range(3_000)))
    pages = book._newest(before=None, nodes=None)
    next(pages)
    done = threading.Event()

    def write() -> None:
        keep(history, book, "b", 1, line(50, "written meanwhile"))
        done.set()

    threading.Thread(target=write).start()
    assert done.wait(patience(60)), "a search that goes on holds up whoever keeps lines"
    assert len(list(pages)) == 2_999
