from __future__ import annotations

import base64
import random
import re
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from jupyter_trainjob.client.snapshot import Failure, Node, Phase, Rank, State, Usage
from jupyter_trainjob.widget import drawing, picture
from tests.unit.widget.jobs import HOSTILE, columns, lines, running, series_of

NOTHING = series_of({})
SVG = "{http://www.w3.org/2000/svg}"
DRAWN = frozenset({"svg", "title", "style", "clipPath", "g", "rect", "path", "circle", "text", "tspan"})
GITHUB = {"img": {"alt", "src", "width", "height"}, "details": {"open"}, "summary": set(), "pre": set()}
"""Of what GitHub's documented sanitiser (html-pipeline) lets through, all that a picture may use."""


class Page(HTMLParser):
    """The elements of a page with their attributes, its words, and what its image draws."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []
        (image,) = [attributes for tag, attributes in self.tags if tag == "img"]
        source = image["src"] or ""
        kind, _, data = source.partition(",")
        assert kind == "data:image/svg+xml;base64"
        self.alt = image["alt"] or ""
        self.svg = ET.fromstring(base64.b64decode(data, validate=True))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def below(self) -> str:
        """The words below the image."""
        return "\n".join(self.words)

    @property
    def drawn(self) -> str:
        """The words in the image, a row for each line of text."""
        return "\n".join(" ".join("".join(text.itertext()).split()) for text in self.svg.iter(f"{SVG}text"))

    def count(self, element: str, look: str) -> int:
        """How many elements of the image have that class."""
        return sum(look in (each.get("class") or "").split() for each in self.svg.iter(f"{SVG}{element}"))


def node(index: int, state: str = "Running", **more: object) -> Node:
    return Node(index, f"pod-{index}", "this-computer", state, **more)  # type: ignore[arg-type]


def test_a_picture_says_what_the_widget_says() -> None:
    done = running(
        state=State.COMPLETE,
        finished=251.0,
        phases=(Phase("queued", 100, 100.5), Phase("training", 100.5, 251)),
        log=lines("epoch 1", "epoch 2"),
    )
    page = Page(picture.html(done, series_of(columns((0, 1, 0, 2.0), (0, 2, 8, 0.184), (1, 1, 0, 2.2)))))
    for expected in (
        "Completedigits-x7k2p8 nodes · torch-distributed · this computer",
        "took 2:31",
        "queued0.5 s",
        "training2:31",
        "lossmean and range of 2 ranks",
        "0.1840",
        "accuracy 0.9620",
        "1 epoch 2",
    ):
        assert expected in page.drawn
    assert page.alt.startswith("8 nodes · torch-distributed · this computer. ✓ Complete digits-x7k2p · took 2:31")
    assert "loss" in page.below
    assert "epoch 2" in page.below
    assert page.count("path", "curve") == 1
    assert page.count("path", "band") == 1


@pytest.mark.parametrize("state", list(State))
def test_all_of_it_passes_githubs_sanitiser(state: State) -> None:
    failure = Failure("E", 0, traceback="T") if state is State.FAILED else None
    page = Page(picture.html(running(state=state, failure=failure, log=lines("a")), series_of(columns((0, 1, 0, 2.0)))))
    for tag, attributes in page.tags:
        assert set(attributes) <= GITHUB[tag]


def test_the_image_brings_its_look_for_light_and_dark_and_asks_for_nothing_else() -> None:
    image = picture.svg(running(log=lines("a")), series_of(columns((0, 1, 0, 2.0))))
    assert "prefers-color-scheme:dark" in image
    assert not re.search(r"href|url\((?!#)|@import|<script|<foreignObject|\bon\w+=", image)
    root = ET.fromstring(image)
    look = set(re.findall(r"\.([a-z][\w-]*)", image))
    assert {name for each in root.iter() for name in (each.get("class") or "").split()} <= look


def luminance(colour: str) -> float:
    """WCAG's relative luminance of ``#rrggbb``."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


@pytest.mark.parametrize("palette", [drawing.LIGHT, drawing.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["bg", "soft"])
@pytest.mark.parametrize("tone", ["fg", "quiet", "active", "good", "warn", "bad"])
def test_words_of_every_tone_are_legible(palette: dict[str, str], ground: str, tone: str) -> None:
    darker, lighter = sorted(luminance(palette[name]) for name in (ground, tone))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_a_failure_says_where_who_and_what_to_do() -> None:
    failure = Failure("ValueError: no", 3, "Cell [12], line 4", "  loss = f(x)", "Traceback …", "Pad it.")
    page = Page(picture.html(running(state=State.FAILED, reason="jobset failed", failure=failure), NOTHING))
    rows = page.drawn.splitlines()
    assert rows[-4:-1] == ["ValueError: no", "Pad it.", "Cell [12], line 4loss = f(x)← rank 3"]
    assert "jobset failed" not in page.drawn
    assert "Traceback of rank 3\nTraceback …" in page.below
    assert "ValueError: no" in page.alt


def test_a_gap_in_a_curve_is_a_gap_and_a_curve_without_a_number_is_none() -> None:
    nan = float("nan")
    rows = columns((0, 1, 0, 2.0), (0, 2, 1, 1.0), (0, 3, 2, nan), (0, 4, 3, 1.0), (0, 5, 4, 0.5))
    assert Page(picture.html(running(), series_of(rows))).count("path", "curve") == 2
    page = Page(picture.html(running(), series_of(columns((0, 1, 0, nan)))))
    assert page.count("path", "curve") == page.count("circle", "active") == 0


def test_a_job_that_goes_on_shows_how_far_it_is_to_go() -> None:
    table = series_of(columns((0, 1, 0, 2.0), (0, 2, 100, 1.0)))
    assert "3,600" in Page(picture.html(running(), table)).drawn
    assert "3,600" not in Page(picture.html(running(state=State.STOPPED), table)).drawn


def test_of_many_nodes_those_with_something_to_say_are_drawn() -> None:
    pods = [node(i, ranks=(Rank(i, 5, 0.038, i == 90),)) for i in range(100)]
    pods[70] = node(70, "Failed", exit_code=137, reason="OOMKilled")
    page = Page(picture.html(running(pods=tuple(pods)), NOTHING))
    assert page.drawn.count("node ") == picture.MAX_TILES
    for expected in ("node 70\nexit 137", "node 90\n38 ms slow", "and 84 more nodes"):
        assert expected in page.drawn
    assert page.count("rect", "tile-bad") == page.count("rect", "tile-warn") == 1
    assert re.search(r"70 +Failed +this-computer +137 +OOMKilled", page.below)


def test_what_a_node_uses_is_a_bar_while_it_runs_only() -> None:
    usage = Usage(1.0, 0.5, 1.0, 2**20, None)
    for state, bars in (("Running", 2), ("Succeeded", 0)):
        pods = tuple(node(i, state, usage=usage) for i in range(2))
        page = Page(picture.html(running(state=State.STOPPED, step=None, pods=pods), NOTHING))
        assert page.count("rect", "active") == bars


@pytest.mark.parametrize("state", list(State))
def test_nothing_that_a_pod_says_becomes_html_or_svg(state: State) -> None:
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
        pods=tuple(Node(i, HOSTILE, HOSTILE, HOSTILE, HOSTILE) for i in range(2)),
        log=lines(HOSTILE, f"]]>&#0;{HOSTILE}\ud800\uffff\x00", '" onload="x'),
    )
    html = picture.html(hostile, series_of({**columns((0, 1, 0, 2.0)), HOSTILE: [1.0]}))
    page = Page(html)
    assert {tag for tag, _ in page.tags} <= set(GITHUB)
    assert {each.tag.removeprefix(SVG) for each in page.svg.iter()} <= DRAWN
    for words in (html, unescape(html), page.drawn):
        assert not {"\x1b", "\x07", "\u202e", "\x00", "\ud800"} & set(words)
    assert not [name for each in page.svg.iter() for name in each.attrib if name.startswith("on")]


def test_a_picture_is_small_whatever_there_is_to_show() -> None:
    chance = random.Random(1)
    names = [f"metric/{i}" for i in range(200)]
    steps = [float(step) for step in range(5_000)]
    series = {"rank": [0.0] * 5_000, "time": steps, "step": steps}
    series |= {name: [chance.random() for _ in steps] for name in names[:8]}
    big = running(
        name="&" * 500,
        state=State.FAILED,
        reason="&" * 100_000,
        metrics=dict.fromkeys(names, 0.123456),
        failure=Failure("E: " + "&" * 50_000, 3, "&" * 9_000, "&" * 9_000, "&" * 90_000, "&" * 9_000),
        pods=tuple(node(i, "Failed", reason="&" * 1_000) for i in range(500)),
        log=lines(*("<&>" * 10_000 for _ in range(200))),
    )
    assert len(picture.html(big, series_of(series)).encode()) <= picture.MAX_BYTES


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(0, 1, 5, 2.0)], id="a single point is a dot"),
        pytest.param([(0, 1, 0, 2.0), (0, 2, 1, 2.0)], id="a flat curve"),
        pytest.param([(0, 1, 0, 1e-300), (0, 2, 1, 1e300)], id="numbers of any size"),
    ],
)
def test_every_curve_is_drawn_with_numbers(rows: list[tuple[float, float, float, float]]) -> None:
    page = Page(picture.html(running(), series_of(columns(*rows))))
    image = ET.tostring(page.svg, "unicode")
    assert not re.search(r"\bnan\b|\binf\b", image)
    assert page.count("path", "curve") + page.count("circle", "active") == 1


def test_the_end_of_a_traceback_is_kept_and_no_entity_is_cut() -> None:
    failure = Failure("E", traceback="<" * 10_000 + "\nValueError: a < b")
    html = picture.html(running(state=State.FAILED, failure=failure), NOTHING)
    assert "&lt;&lt;\nValueError: a &lt; b</pre>" in html
    assert "<pre>…&lt;" in html


@pytest.mark.parametrize(
    ("words", "room", "fits"),
    [
        pytest.param("short", 100.0, "short", id="what fits stays"),
        pytest.param("iiii iiii", 37.0, "iiii…", id="no space before the ellipsis"),
        pytest.param("日本語日本語", 40.0, "日…", id="wide letters count as wide"),
        pytest.param("a\n b\x1b[31m", 100.0, "a b", id="one line, clean"),
    ],
)
def test_text_is_cut_to_its_room(words: str, room: float, fits: str) -> None:
    assert drawing.fitted(words, room) == fits


def test_text_is_wrapped_between_words_and_nothing_is_lost() -> None:
    words = "Your data does not divide by the batch size on the last step, whatever_that_is_called_in_full " * 2
    rows = drawing.wrapped(words, 200, lines=50)
    assert "".join(rows).replace(" ", "") == words.replace(" ", "")
    assert rows[0] == "Your data does not divide"
    assert all(drawing.width(row) <= 200 for row in rows)
    assert drawing.wrapped(words, 200, lines=2)[1].endswith("…")
    broken = drawing.wrapped("x" * 100, 200, lines=50)
    assert "".join(broken) == "x" * 100


def test_runs_leave_out_what_is_no_number() -> None:
    nan = float("nan")
    assert drawing.runs([nan, 1, 2, nan, 3, nan]) == [range(1, 3), range(4, 5)]
