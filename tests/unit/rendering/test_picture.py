from __future__ import annotations

import base64
import random
import re
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from jupyter_trainjob.client.snapshot import Failure, Node, Phase, Rank, State, Usage
from jupyter_trainjob.rendering import picture, svg_drawing
from tests.unit.widget.jobs import HOSTILE, columns, lines, running, series_of

NOTHING = series_of({})
SVG = "{http://www.w3.org/2000/svg}"
DRAWN = frozenset({"svg", "title", "style", "clipPath", "g", "rect", "path", "circle", "text", "tspan"})
GITHUB = {"img": {"alt", "src", "width", "height"}, "details": {"open"}, "summary": set(), "pre": set()}
"""The elements and attributes of a picture, all of which GitHub's sanitiser (html-pipeline) allows."""


class Page(HTMLParser):
    """Parses the HTML: its elements with their attributes, its text, and its image."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
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
        self.texts.append(data)

    @property
    def text_below(self) -> str:
        """The text below the image."""
        return "\n".join(self.texts)

    @property
    def text_in_image(self) -> str:
        """The text in the image, one line per text element."""
        return "\n".join(" ".join("".join(text.itertext()).split()) for text in self.svg.iter(f"{SVG}text"))

    def count(self, element: str, css_class: str) -> int:
        """Return the number of elements of the image with a class."""
        return sum(css_class in (node.get("class") or "").split() for node in self.svg.iter(f"{SVG}{element}"))


def node(index: int, state: str = "Running", **more: object) -> Node:
    return Node(index, f"pod-{index}", "this-computer", state, **more)  # type: ignore[arg-type]


def test_picture_has_the_content_of_the_widget() -> None:
    done = running(
        state=State.COMPLETE,
        finished=251.0,
        phases=(Phase("queued", 100, 100.5), Phase("training", 100.5, 251)),
        log=lines("epoch 1", "epoch 2"),
    )
    page = Page(picture.render_html(done, series_of(columns((0, 1, 0, 2.0), (0, 2, 8, 0.184), (1, 1, 0, 2.2)))))
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
        assert expected in page.text_in_image
    assert page.alt.startswith("8 nodes · torch-distributed · this computer. ✓ Complete digits-x7k2p · took 2:31")
    assert "loss" in page.text_below
    assert "epoch 2" in page.text_below
    assert page.count("path", "curve") == 1
    assert page.count("path", "band") == 1


@pytest.mark.parametrize("state", list(State))
def test_html_passes_the_sanitiser_of_github(state: State) -> None:
    failure = Failure("E", 0, traceback="T") if state is State.FAILED else None
    page = Page(
        picture.render_html(running(state=state, failure=failure, log=lines("a")), series_of(columns((0, 1, 0, 2.0))))
    )
    for tag, attributes in page.tags:
        assert set(attributes) <= GITHUB[tag]


def test_image_has_its_own_styles_and_no_external_reference() -> None:
    image = picture.render_svg(running(log=lines("a")), series_of(columns((0, 1, 0, 2.0))))
    assert "prefers-color-scheme:dark" in image
    assert not re.search(r"href|url\((?!#)|@import|<script|<foreignObject|\bon\w+=", image)
    root = ET.fromstring(image)
    styled = set(re.findall(r"\.([a-z][\w-]*)", image))
    assert {name for element in root.iter() for name in (element.get("class") or "").split()} <= styled


def luminance(colour: str) -> float:
    """WCAG's relative luminance of ``#rrggbb``."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


@pytest.mark.parametrize("palette", [svg_drawing.LIGHT, svg_drawing.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("background", ["bg", "soft"])
@pytest.mark.parametrize("tone", ["fg", "quiet", "active", "good", "warn", "bad"])
def test_text_of_every_tone_has_enough_contrast(palette: dict[str, str], background: str, tone: str) -> None:
    darker, lighter = sorted(luminance(palette[name]) for name in (background, tone))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_failure_has_location_rank_and_remedy() -> None:
    failure = Failure("ValueError: no", 3, "Cell [12], line 4", "  loss = f(x)", "Traceback …", "Pad it.")
    page = Page(picture.render_html(running(state=State.FAILED, reason="jobset failed", failure=failure), NOTHING))
    rows = page.text_in_image.splitlines()
    assert rows[-4:-1] == ["ValueError: no", "Pad it.", "Cell [12], line 4loss = f(x)← rank 3"]
    assert "jobset failed" not in page.text_in_image
    assert "Traceback of rank 3\nTraceback …" in page.text_below
    assert "ValueError: no" in page.alt


def test_nan_splits_a_curve_and_a_curve_of_nan_is_not_drawn() -> None:
    nan = float("nan")
    rows = columns((0, 1, 0, 2.0), (0, 2, 1, 1.0), (0, 3, 2, nan), (0, 4, 3, 1.0), (0, 5, 4, 0.5))
    assert Page(picture.render_html(running(), series_of(rows))).count("path", "curve") == 2
    page = Page(picture.render_html(running(), series_of(columns((0, 1, 0, nan)))))
    assert page.count("path", "curve") == page.count("circle", "active") == 0


def test_axis_of_a_running_job_extends_to_its_last_step() -> None:
    table = series_of(columns((0, 1, 0, 2.0), (0, 2, 100, 1.0)))
    assert "3,600" in Page(picture.render_html(running(), table)).text_in_image
    assert "3,600" not in Page(picture.render_html(running(state=State.STOPPED), table)).text_in_image


def test_slow_and_failed_nodes_are_drawn_first() -> None:
    pods = [node(i, ranks=(Rank(i, 5, 0.038, i == 90),)) for i in range(100)]
    pods[70] = node(70, "Failed", exit_code=137, reason="OOMKilled")
    page = Page(picture.render_html(running(pods=tuple(pods)), NOTHING))
    assert page.text_in_image.count("node ") == picture.MAX_TILES
    for expected in ("node 70\nexit 137", "node 90\n38 ms slow", "and 84 more nodes"):
        assert expected in page.text_in_image
    assert page.count("rect", "tile-bad") == page.count("rect", "tile-warn") == 1
    assert re.search(r"70 +Failed +this-computer +137 +OOMKilled", page.text_below)


def test_cpu_bar_is_drawn_for_running_nodes_only() -> None:
    usage = Usage(1.0, 0.5, 1.0, 2**20, None)
    for state, bars in (("Running", 2), ("Succeeded", 0)):
        pods = tuple(node(i, state, usage=usage) for i in range(2))
        page = Page(picture.render_html(running(state=State.STOPPED, step=None, pods=pods), NOTHING))
        assert page.count("rect", "active") == bars


@pytest.mark.parametrize("state", list(State))
def test_strings_of_pods_are_escaped_in_html_and_svg(state: State) -> None:
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
    html = picture.render_html(hostile, series_of({**columns((0, 1, 0, 2.0)), HOSTILE: [1.0]}))
    page = Page(html)
    assert {tag for tag, _ in page.tags} <= set(GITHUB)
    assert {element.tag.removeprefix(SVG) for element in page.svg.iter()} <= DRAWN
    for content in (html, unescape(html), page.text_in_image):
        assert not {"\x1b", "\x07", "\u202e", "\x00", "\ud800"} & set(content)
    assert not [name for element in page.svg.iter() for name in element.attrib if name.startswith("on")]


@pytest.mark.slow
def test_picture_of_a_large_job_is_bounded() -> None:
    rng = random.Random(1)
    names = [f"metric/{i}" for i in range(200)]
    steps = [float(step) for step in range(5_000)]
    series = {"rank": [0.0] * 5_000, "time": steps, "step": steps}
    series |= {name: [rng.random() for _ in steps] for name in names[:8]}
    big = running(
        name="&" * 500,
        state=State.FAILED,
        reason="&" * 100_000,
        metrics=dict.fromkeys(names, 0.123456),
        failure=Failure("E: " + "&" * 50_000, 3, "&" * 9_000, "&" * 9_000, "&" * 90_000, "&" * 9_000),
        pods=tuple(node(i, "Failed", reason="&" * 1_000) for i in range(500)),
        log=lines(*("<&>" * 10_000 for _ in range(200))),
    )
    assert len(picture.render_html(big, series_of(series)).encode()) <= picture.MAX_BYTES


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(0, 1, 5, 2.0)], id="a single point is a dot"),
        pytest.param([(0, 1, 0, 2.0), (0, 2, 1, 2.0)], id="a flat curve"),
        pytest.param([(0, 1, 0, 1e-300), (0, 2, 1, 1e300)], id="numbers of any size"),
    ],
)
def test_extreme_curves_are_drawn_with_finite_numbers(rows: list[tuple[float, float, float, float]]) -> None:
    page = Page(picture.render_html(running(), series_of(columns(*rows))))
    image = ET.tostring(page.svg, "unicode")
    assert not re.search(r"\bnan\b|\binf\b", image)
    assert page.count("path", "curve") + page.count("circle", "active") == 1


def test_traceback_keeps_its_end_and_whole_entities() -> None:
    failure = Failure("E", traceback="<" * 10_000 + "\nValueError: a < b")
    html = picture.render_html(running(state=State.FAILED, failure=failure), NOTHING)
    assert "&lt;&lt;\nValueError: a &lt; b</pre>" in html
    assert "<pre>…&lt;" in html


@pytest.mark.parametrize(
    ("text", "max_width", "expected"),
    [
        pytest.param("short", 100.0, "short", id="a fitting text is unchanged"),
        pytest.param("iiii iiii", 37.0, "iiii…", id="no space before the ellipsis"),
        pytest.param("日本語日本語", 40.0, "日…", id="wide letters count as wide"),
        pytest.param("a\n b\x1b[31m", 100.0, "a b", id="one line, clean"),
    ],
)
def test_text_is_truncated(text: str, max_width: float, expected: str) -> None:
    assert svg_drawing.truncate(text, max_width) == expected


def test_text_is_wrapped_between_words_without_loss() -> None:
    text = "Your data does not divide by the batch size on the last step, whatever_that_is_called_in_full " * 2
    rows = svg_drawing.wrap(text, 200, lines=50)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")
    assert rows[0] == "Your data does not divide"
    assert all(svg_drawing.text_width(row) <= 200 for row in rows)
    assert svg_drawing.wrap(text, 200, lines=2)[1].endswith("…")
    broken = svg_drawing.wrap("x" * 100, 200, lines=50)
    assert "".join(broken) == "x" * 100


def test_finite_runs() -> None:
    nan = float("nan")
    assert svg_drawing.finite_runs([nan, 1, 2, nan, 3, nan]) == [range(1, 3), range(4, 5)]
