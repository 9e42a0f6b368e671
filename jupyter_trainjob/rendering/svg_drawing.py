"""SVG primitives of the picture: fitted text, icons, curves, and the style sheet.

The style of a page does not apply inside of an image, so the SVG has its own colours, for light and dark, and its own
background. Fonts are the viewer's, so text widths are conservative estimates. Every text goes through `escape_text`.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from jupyter_trainjob.rendering.text import sanitize

WIDTH = 760
EDGE = 14
"""Pixels between the frame and its content."""
INNER = WIDTH - 2 * EDGE
SIZE, SMALL, MONO = 13.0, 12.0, 11.5

LIGHT = {
    "fg": "#1a1c20",
    "bg": "#ffffff",
    "quiet": "#5c6069",
    "line": "#dfe1e5",
    "soft": "#f6f7f8",
    "active": "#1565c0",
    "good": "#2e7d32",
    "warn": "#8f5600",
    "bad": "#b71c1c",
}
DARK = {
    "fg": "#e6e8ec",
    "bg": "#16181c",
    "quiet": "#a0a5ae",
    "line": "#34373d",
    "soft": "#1c1f26",
    "active": "#64b5f6",
    "good": "#81c784",
    "warn": "#ffb74d",
    "bad": "#ef9a9a",
}
_SHAPES = {
    "ring": '<circle cx="6" cy="6" r="4.6"/>',
    "half": '<circle cx="6" cy="6" r="4.6"/><path class="full" d="M6 1.4a4.6 4.6 0 0 0 0 9.2z"/>',
    "check": '<path d="M2 6.6 4.8 9.4 10 3"/>',
    "cross": '<path d="M2.8 2.8l6.4 6.4M9.2 2.8l-6.4 6.4"/>',
    "square": '<path class="full" d="M2.5 2.5h7v7h-7z"/>',
    "bars": '<path d="M4.2 2.6v6.8M7.8 2.6v6.8"/>',
    "dash": '<path d="M2.6 6h6.8"/>',
}
_NARROW, _BROAD = frozenset("iljtfrI.,:;|'`!()[]{}/\\ "), frozenset("mwMW%@#&—…→←")


class Block(NamedTuple):
    """A horizontal block of the picture over its whole width, drawn from the origin."""

    height: float
    body: str


class TextSpan(NamedTuple):
    """Text of one colour and weight."""

    text: str
    tone: str = "fg"
    bold: bool = False


def escape_text(text: str) -> str:
    """Escape text for element content and quoted attributes, of HTML and of XML."""
    return escape(sanitize(text))


def svg_document(blocks: Iterable[Block], *, title: str) -> str:
    """Return an SVG document with the blocks one below the other, in a frame."""
    top, parts = 0.0, []
    for block in blocks:
        parts.append(f'<g transform="translate(0 {top:g})">{block.body}</g>')
        top += block.height
    height = math.ceil(top)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img"><title>{escape_text(title)}</title><style>{_STYLE}</style>'
        f'<clipPath id="frame"><rect width="{WIDTH}" height="{height}" rx="4"/></clipPath>'
        f'<g clip-path="url(#frame)"><rect class="bg" width="{WIDTH}" height="{height}"/>{"".join(parts)}</g>'
        f'<rect class="frame" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="4"/></svg>'
    )


def text_line(
    x: float,
    y: float,
    spans: Sequence[TextSpan],
    *,
    size: float = SIZE,
    mono: bool = False,
    anchor: str = "",
    gap: float = 0,
) -> str:
    """Return a line of text spans with a `gap` of pixels between them.

    `x` is the position of its start, or of its ``end`` or ``middle`` if that is the `anchor`.
    """
    elements = []
    for index, span in enumerate(spans):
        offset = f' dx="{gap:g}"' if gap and index else ""
        elements.append(
            f'<tspan class="{span.tone}{" b" if span.bold else ""}"{offset}>{escape_text(span.text)}</tspan>'
        )
    attributes = f' class="{anchor}"' if anchor else ""
    if mono:
        attributes = ' class="mono" xml:space="preserve"'
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"{attributes}>{"".join(elements)}</text>'


def icon(shape: str, tone: str, x: float, y: float) -> str:
    """Return an icon of 12 by 12 pixels with its top left corner at `x`, `y`."""
    return f'<g class="icon i-{tone}" transform="translate({x:g} {y:g})">{_SHAPES[shape]}</g>'


def bar(x: float, y: float, width: float, share: float, *, tone: str = "active", height: float = 3) -> str:
    """Return a progress bar that is filled up to `share`, from 0 to 1."""
    filled = width * min(1.0, max(0.0, share))
    return (
        f'<rect class="line" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'
        f'<rect class="{tone}" x="{x:g}" y="{y:g}" width="{filled:.1f}" height="{height:g}"/>'
    )


def rule(y: float, *, start: float = 0, end: float = WIDTH, dashed: bool = False) -> str:
    """Return a thin horizontal line from `start` to `end`."""
    return f'<path class="rule{" dashed" if dashed else ""}" d="M{start:g} {y:g}H{end:g}"/>'


def text_width(text: str, *, size: float = SIZE, bold: bool = False, mono: bool = False) -> float:
    """Return the maximum width of a text in pixels, in most fonts."""
    if mono:
        return size * sum(1.25 if _is_wide(character) else 0.62 for character in text)
    return size * (1.08 if bold else 1.0) * sum(_character_width(character) for character in text)


def truncate(text: str, max_width: float, *, size: float = SIZE, bold: bool = False, mono: bool = False) -> str:
    """Return a text on one line, cut with an ellipsis to `max_width` pixels."""
    text = " ".join(sanitize(text).split()) if not mono else sanitize(text).expandtabs(4).split("\n", 1)[0]
    if text_width(text, size=size, bold=bold, mono=mono) <= max_width:
        return text
    max_width -= text_width("…", size=size, bold=bold, mono=mono)
    for index, character in enumerate(text):
        max_width -= text_width(character, size=size, bold=bold, mono=mono)
        if max_width < 0:
            return text[:index].rstrip() + "…"
    return text


def wrap(text: str, max_width: float, *, lines: int, size: float = SIZE, bold: bool = False) -> list[str]:
    """Break a text into at most `lines` lines of `max_width` pixels, between words where possible."""
    rest = " ".join(sanitize(text).split())
    rows: list[str] = []
    while rest and len(rows) < lines - 1:
        head = truncate(rest, max_width, size=size, bold=bold)
        if head == rest:
            break
        head = head[:-1]
        space = head.rfind(" ")
        if space > len(head) // 2 and not rest[len(head) :].startswith(" "):
            head = head[:space]
        rows.append(head)
        rest = rest[len(head) :].lstrip()
    return [*rows, truncate(rest, max_width, size=size, bold=bold)] if rest else rows


def band(points: Sequence[tuple[float, float, float]]) -> str:
    """Return the area between low and high; the points are (x, low, high) in pixels."""
    forth = [f"{x:.1f} {high:.1f}" for x, _, high in points]
    back = [f"{x:.1f} {low:.1f}" for x, low, _ in reversed(points)]
    return f'<path class="band" d="M{"L".join(forth + back)}Z"/>'


def curve(points: Sequence[tuple[float, float]]) -> str:
    """Return a line through points (x, y) in pixels; a single point becomes a dot."""
    if len(points) == 1:
        return f'<circle class="active" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="2"/>'
    return f'<path class="curve" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}"/>'


def finite_runs(numbers: Iterable[float]) -> list[range]:
    """Return the index ranges of consecutive finite numbers.

    >>> finite_runs([math.nan, 1.0, 2.0, math.inf, 3.0])
    [range(1, 3), range(4, 5)]
    """
    finite = [math.isfinite(number) for number in numbers]
    edges = [-1, *(i for i, is_finite in enumerate(finite) if not is_finite), len(finite)]
    return [range(start + 1, end) for start, end in pairwise(edges) if end - start > 1]


def _character_width(character: str) -> float:
    if character in _NARROW:
        return 0.41
    if character in _BROAD:
        return 0.98
    if _is_wide(character):
        return 1.25
    return 0.74 if character.isupper() else 0.64


def _is_wide(character: str) -> bool:
    return not character.isascii() and unicodedata.east_asian_width(character) in "WF"


def _colours(palette: dict[str, str]) -> str:
    fills = "".join(f".{name}{{fill:{colour}}}" for name, colour in palette.items())
    strokes = "".join(f".i-{name}{{stroke:{palette[name]}}}" for name in ("quiet", "active", "good", "warn", "bad"))
    inside = "".join(f".i-{name} .full{{fill:{palette[name]}}}" for name in ("quiet", "active", "good", "warn", "bad"))
    lines = (
        f".rule,.frame,.tile{{stroke:{palette['line']}}}.tile-warn{{stroke:{palette['warn']}}}"
        f".tile-bad{{stroke:{palette['bad']}}}.curve{{stroke:{palette['active']}}}.band{{fill:{palette['active']}}}"
    )
    return fills + strokes + inside + lines


_STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Ubuntu,sans-serif;font-variant-numeric:tabular-nums}"
    ".mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}"
    ".end{text-anchor:end}.middle{text-anchor:middle}.b{font-weight:600}"
    ".icon{fill:none;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}.full{stroke:none}"
    ".rule,.frame,.tile,.tile-warn,.tile-bad{fill:none}.dashed{stroke-dasharray:3 3}"
    ".curve{fill:none;stroke-width:1.75;stroke-linejoin:round}.band{fill-opacity:.16}"
    f"{_colours(LIGHT)}@media (prefers-color-scheme:dark){{{_colours(DARK)}}}"
)
