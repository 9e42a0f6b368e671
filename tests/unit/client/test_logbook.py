from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.client import logbook
from jupyter_trainjob.client.logbook import LogBook, cursor
from jupyter_trainjob.metrics.history import History
from jupyter_trainjob.metrics.loglines import Line


def line(second: float, text: str, *, row: str = "", left: bool = False) -> Line:
    return Line(f"2026-01-02T03:04:{second:012.9f}Z", 0, text.encode(), None, row, not left)


@pytest.fixture
def history(tmp_path: Path):  # type: ignore[no-untyped-def]
    found = History(tmp_path / "history.db")
    yield found
    found.close()


def keep(history: History, book: LogBook, pod: str, node: int, *lines: Line) -> None:
    history.add("job", pod, node, lines)
    for each in lines:
        book.add(pod, node, each)


def book_of(history: History) -> LogBook:
    return LogBook(lambda *, before, nodes: history.newest("job", before=before, nodes=nodes))


def test_lines_come_in_the_order_of_arrival_each_once(history: History) -> None:
    book = book_of(history)
    book.add("a", 0, line(2, "two"))
    first = book.after(None, limit=10)
    book.add("b", 1, line(1, "late"))
    fresh = book.after(first.number, limit=10)
    assert [(each.node, each.text) for each in first.lines] == [(0, "two")]
    assert [(each.node, each.text) for each in fresh.lines] == [(1, "late")]
    assert book.after(fresh.number, limit=10).lines == []
    assert [each.text for each in book.tail(10)] == ["late", "two"]


def test_a_flood_leaves_its_newest_lines_and_says_how_many_it_washed_away(history: History) -> None:
    book = book_of(history)
    book.add("a", 0, line(0, "first"))
    seen = book.after(None, limit=10).number
    for number in range(logbook.KEPT + 100):
        book.add("a", 0, line(number % 60, str(number)))
    fresh = book.after(seen, limit=10)
    assert [each.text for each in fresh.lines] == [str(logbook.KEPT + 90 + i) for i in range(10)]
    assert fresh.skipped == logbook.KEPT + 90
    assert book.after(None, limit=10).skipped == 0, "what was before the beginning is not missed"


def test_an_overwritten_row_is_one_line_that_keeps_its_name(history: History) -> None:
    book = book_of(history)
    book.add("a", 0, line(1, "10%", row="r"))
    book.add("a", 0, line(1, "10% of another pod", row="s"))
    seen = book.after(None, limit=10)
    book.add("a", 0, line(2, "20%", row="r"))
    book.add("a", 0, line(3, "30%", row="r"))
    (fresh,) = book.after(seen.number, limit=10).lines
    assert (fresh.text, fresh.row) == ("30%", seen.lines[0].row)
    assert book.after(seen.number, limit=10).skipped == 0
    assert [each.text for each in book.tail(10)] == ["10% of another pod", "30%"]
    book.add("a", 0, line(4, "", row="r"))
    assert [each.text for each in book.after(fresh.number, limit=10).lines] == [""], "it is taken away"
    assert [each.text for each in book.tail(10)] == ["10% of another pod"]
    assert [each.text for each in book.after(None, limit=10).lines] == ["10% of another pod"]


def test_pages_lead_through_everything_kept_in_the_order_of_time(history: History) -> None:
    book = book_of(history)
    for node, pod in enumerate(("a", "b", "c")):
        keep(history, book, pod, node, *(line(i * 0.01 + node * 0.001, f"{i}.{node}") for i in range(2_000)))
    newest = book.page(limit=700)
    texts = [each.text for each in newest.lines]
    pages = 1
    while newest.more:
        newest = book.page(before=newest.before, limit=700)
        texts = [each.text for each in newest.lines] + texts
        pages += 1
    assert texts == [f"{i}.{node}" for i in range(2_000) for node in range(3)]
    assert pages == 9


def test_lines_of_one_moment_are_neither_lost_nor_repeated_between_pages(history: History) -> None:
    book = book_of(history)
    for node, pod in enumerate(("b", "a")):
        stamp = line(1, "").stamp
        keep(history, book, pod, node, *(Line(stamp, i, f"{i}{pod}".encode()) for i in range(5)))
    found: list[str] = []
    before = None
    while True:
        page = book.page(before=before, limit=3)
        found = [each.text for each in page.lines] + found
        if not page.more:
            break
        before = page.before
    assert found == ["0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b"]


def test_a_page_before_a_line_that_arrived(history: History) -> None:
    book = book_of(history)
    keep(history, book, "a", 0, *(line(i, str(i)) for i in range(10)))
    third = book.after(None, limit=7).lines[0]
    assert [each.text for each in book.page(before=cursor(third.place)).lines] == ["0", "1", "2"]


def test_what_is_looked_for_is_found_in_everything_kept(history: History) -> None:
    book = book_of(history)
    texts = ["loss 0.5", "\x1b[31mVal\x1b[0mueError: no", "LOSS 0.25", "a.b", "axb"]
    keep(history, book, "a", 0, *(line(i, text) for i, text in enumerate(texts)))
    keep(history, book, "b", 1, line(9, "loss 9"))

    def found(**wanted: object) -> list[str]:
        assert book.count(**wanted) == len(book.page(**wanted).lines)  # type: ignore[arg-type]
        return [each.text for each in book.page(**wanted).lines]  # type: ignore[arg-type]

    assert found(pattern="loss") == ["loss 0.5", "LOSS 0.25", "loss 9"]
    assert found(pattern="loss", nodes=[0]) == ["loss 0.5", "LOSS 0.25"]
    assert found(pattern="a.b") == ["a.b"]
    assert found(pattern="a.b", regex=True) == ["a.b", "axb"]
    assert found(pattern="valueerror") == [texts[1]], "colours are no part of what is read"
    assert found(errors_only=True) == [texts[1]]
    assert found(errors_only=True, pattern="loss") == []


@pytest.mark.parametrize(
    ("wanted", "why"),
    {
        "no regular expression": ({"pattern": "(", "regex": True}, "is no regular expression"),
        "too long": ({"pattern": "x" * 1_000}, "at most 500"),
        "no place": ({"before": "somewhere"}, "is no place in a log"),
    }.values(),
)
def test_what_cannot_be_looked_for_is_refused_in_words(history: History, wanted: dict[str, str], why: str) -> None:
    with pytest.raises(errors.UsageError, match=why):
        book_of(history).page(**wanted)  # type: ignore[arg-type]


def test_a_book_begins_with_what_is_kept(history: History) -> None:
    keep(history, book_of(history), "a", 0, line(1, "one"), line(2, "50%", row="r"))
    keep(history, book_of(history), "b", 1, line(1.5, "of b"))
    book = book_of(history)
    assert book.load() == {"a": line(2, "").place, "b": line(1.5, "").place}
    assert [each.text for each in book.after(None, limit=10).lines] == ["one", "of b", "50%"]
    last = book.after(None, limit=1).lines[0]
    book.add("a", 0, line(3, "60%", row="r"))
    assert [(each.text, each.row) for each in book.after(3, limit=10).lines] == [("60%", last.row)]


def test_readers_and_writers_do_not_wait_for_each_other(history: History) -> None:
    book = book_of(history)
    keep(history, book, "a", 0, *(line(i * 0.01, str(i)) for i in range(3_000)))
    pages = book._newest(before=None, nodes=None)
    next(pages)
    done = threading.Event()

    def write() -> None:
        keep(history, book, "b", 1, line(50, "written meanwhile"))
        done.set()

    threading.Thread(target=write).start()
    assert done.wait(60), "a search that goes on holds up whoever keeps lines"
    assert len(list(pages)) == 2_999
