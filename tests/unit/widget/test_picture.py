from __future__ import annotations

import random
from html.parser import HTMLParser

import pytest

from jupyter_trainjob.client.snapshot import Failure, Phase, State
from jupyter_trainjob.widget import picture
from tests.unit.widget.jobs import HOSTILE, columns, lines, running

HARMLESS = frozenset(
    {"b", "circle", "code", "details", "div", "figcaption", "figure", "header", "li", "ol", "p", "path", "pre"}
    | {"section", "span", "style", "summary", "svg", "ul"}
)


class Page(HTMLParser):
    """The elements, their attributes and the words of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)


def test_a_picture_says_what_the_widget_says() -> None:
    done = running(
        state=State.COMPLETE,
        finished=251.0,
        phases=(Phase("queued", 100, 100.5), Phase("training", 100.5, 251)),
        log=lines("epoch 1", "epoch 2"),
    )
    page = Page(picture.html(done, columns((0, 1, 0, 2.0), (0, 2, 8, 0.184), (1, 1, 0, 2.2))))
    words = " ".join(" ".join(page.words).split())
    for expected in (
        "Complete digits-x7k2p 8 nodes · torch-distributed · this computer took 2:31",
        "queued 0.5 s",
        "training 2:31",
        "loss mean and range of 2 ranks 0.1840",
        "accuracy 0.9620",
        "rank 1 epoch 2",
    ):
        assert expected in words
    assert page.tags.count("figure") == 1


def test_a_failure_says_where_who_and_what_to_do() -> None:
    failure = Failure("ValueError: no", 3, "Cell [12], line 4", "  loss = f(x)", "Traceback …", "Pad it.")
    page = Page(picture.html(running(state=State.FAILED, reason="jobset failed", failure=failure), {}))
    words = " ".join(" ".join(page.words).split())
    expected = "ValueError: no Pad it. Cell [12], line 4 loss = f(x) ← rank 3 Traceback of rank 3 Traceback …"
    assert expected in words
    assert "jobset failed" not in words


@pytest.mark.parametrize("state", list(State))
def test_nothing_that_a_pod_says_becomes_html(state: State) -> None:
    hostile = running(
        name=HOSTILE,
        namespace=HOSTILE,
        context=HOSTILE,
        runtime=HOSTILE,
        state=state,
        reason=HOSTILE,
        phases=(Phase(HOSTILE, 1, 2),),
        metrics={HOSTILE: 1.0, "only here": 2.0},
        failure=Failure(HOSTILE, 0, HOSTILE, HOSTILE, HOSTILE, HOSTILE) if state is State.FAILED else None,
        log=lines(HOSTILE, HOSTILE),
    )
    html = picture.html(hostile, {**columns((0, 1, 0, 2.0)), HOSTILE: [1.0]})
    page = Page(html)
    assert set(page.tags) <= HARMLESS
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "href")]
    assert not {"\x1b", "\x07", "\u202e"} & set(html)


def test_a_picture_is_small_whatever_there_is_to_show() -> None:
    chance = random.Random(1)
    names = [f"metric/{i}" for i in range(200)]
    steps = [float(step) for step in range(5_000)]
    series = {"rank": [0.0] * 5_000, "time": steps, "step": steps}
    series |= {name: [chance.random() for _ in steps] for name in names[:8]}
    big = running(
        state=State.FAILED,
        metrics=dict.fromkeys(names, 0.123456),
        failure=Failure("E: " + "&" * 50_000, 3, "&" * 9_000, "&" * 9_000, "&" * 90_000, "&" * 9_000),
        log=lines(*("<&>" * 10_000 for _ in range(200))),
    )
    assert len(picture.html(big, series).encode()) <= picture.MAX_BYTES


def test_one_point_and_a_flat_curve_are_drawn() -> None:
    for table in (columns((0, 1, 5, 2.0)), columns((0, 1, 0, 2.0), (0, 2, 1, 2.0))):
        assert "NaN" not in picture.html(running(), table)
        assert "nan" not in picture.html(running(), table)


def test_the_end_of_a_traceback_is_kept_and_no_entity_is_cut() -> None:
    failure = Failure("E", traceback="<" * 10_000 + "\nValueError: a < b")
    html = picture.html(running(state=State.FAILED, failure=failure), {})
    assert "&lt;&lt;\nValueError: a &lt; b</pre>" in html
    assert "<pre>…&lt;" in html
