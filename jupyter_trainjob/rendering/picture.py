"""The static view of a job in a saved notebook: an SVG like the widget, with text below it.

The result is HTML of a bounded size. Notebook viewers remove styles, scripts and inline SVG, but not images,
``details`` and ``pre``. So the drawing is one SVG in a data URI, with a summary as its ``alt`` text; the details
follow as text that can be copied. Every string is sanitized and escaped.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from jupyter_trainjob.client.snapshot import Failure, LogLine, Node, Snapshot, State
from jupyter_trainjob.rendering import svg_drawing, tables, text
from jupyter_trainjob.rendering.svg_drawing import EDGE, INNER, MONO, SMALL, WIDTH, Block, TextSpan

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.series import Band, Series

MAX_BYTES = 150_000
"""Maximum size of the HTML, which follows from the limits below."""
CURVE_POINTS = 160
MAX_CURVES = 6
MAX_METRICS = 64
MAX_NODES = 128
"""Nodes in the text."""
LOG_ROWS = 10
"""Log lines in the image."""
LOG_LINES = 200
"""Log lines in the text."""
LOG_CHARACTERS = 12_000
LINE_CHARACTERS = 400
TRACEBACK_CHARACTERS = 8_000
WORDS_CHARACTERS = 10_000
ALT_CHARACTERS = 1_000

MAX_TILES = 16
"""Nodes in the image; slow, waiting and failed ones come first."""
_PLOT_HEIGHT = 74.0
_TILES_PER_ROW = 8
_ICONS = {
    State.QUEUED: ("ring", "warn"),
    State.STARTING: ("half", "active"),
    State.RUNNING: ("half", "active"),
    State.STOPPED: ("square", "quiet"),
    State.SUSPENDED: ("bars", "quiet"),
    State.COMPLETE: ("check", "good"),
    State.FAILED: ("cross", "bad"),
    State.DELETED: ("dash", "quiet"),
}


def render_html(snapshot: Snapshot, series: Series) -> str:
    """Return the image and the text as HTML."""
    image = base64.b64encode(render_svg(snapshot, series).encode()).decode("ascii")
    alt = _truncate_escaped(f"{' · '.join(text.fact_list(snapshot))}. {text.summary_line(snapshot)}", ALT_CHARACTERS)
    parts = [f'<img width="{WIDTH}" alt="{escape(alt)}" src="data:image/svg+xml;base64,{image}">']
    parts.append(_details_element(f"{snapshot.name} as text", "\n\n".join(_text_parts(snapshot)), WORDS_CHARACTERS))
    if snapshot.failure is not None and snapshot.failure.traceback:
        rank = snapshot.failure.rank
        whose = "" if rank is None else f" of rank {rank}"
        parts.append(_details_element(f"Traceback{whose}", snapshot.failure.traceback, TRACEBACK_CHARACTERS, end=True))
    if snapshot.log:
        lines = [
            f"{_time_of_day(line.time)} {line.rank} {line.text[:LINE_CHARACTERS]}" for line in snapshot.log[-LOG_LINES:]
        ]
        parts.append(_details_element("The end of the log", "\n".join(lines), LOG_CHARACTERS, end=True))
    return "\n".join(parts)


def render_svg(snapshot: Snapshot, series: Series) -> str:
    """Return the image as an SVG document."""
    blocks = [_head(snapshot), _paragraph(snapshot.reason if snapshot.failure is None else "")]
    blocks += [*(_paragraph(warning, tone="warn") for warning in snapshot.warnings), _timeline(snapshot)]
    if snapshot.failure is not None:
        blocks.append(_failure(snapshot.failure))
    blocks += [*_charts(snapshot, series), _nodes(snapshot.pods), _log(snapshot.log)]
    return svg_drawing.svg_document((block for block in blocks if block.height), title=text.summary_line(snapshot))


def _head(snapshot: Snapshot) -> Block:
    shape, tone = _ICONS[snapshot.state]
    progress = " · ".join(text.progress_parts(snapshot))
    free_width = INNER - 18 - svg_drawing.text_width(progress) - 16
    state = TextSpan(snapshot.state.value, tone, bold=True)
    free_width -= svg_drawing.text_width(state.text, bold=True) + 10
    name = TextSpan(svg_drawing.truncate(snapshot.name, free_width, bold=True), "fg", bold=True)
    free_width -= svg_drawing.text_width(name.text, bold=True) + 10
    facts = " · ".join(text.fact_list(snapshot))
    facts_fit = svg_drawing.text_width(facts) <= free_width
    spans = [state, name, *([TextSpan(facts, "quiet")] if facts_fit else [])]
    body = svg_drawing.icon(shape, tone, EDGE, 15.5) + svg_drawing.text_line(EDGE + 19, 26, spans, gap=9)
    if progress:
        body += svg_drawing.text_line(WIDTH - EDGE, 26, [TextSpan(progress, "quiet")], anchor="end")
    height = 42.0
    if not facts_fit:
        body += svg_drawing.text_line(EDGE + 19, 45, [TextSpan(svg_drawing.truncate(facts, INNER - 19), "quiet")])
        height = 58.0
    share = snapshot.progress
    if share is None or snapshot.state.finished:
        return Block(height, body + svg_drawing.rule(height - 0.5))
    return Block(height + 1, body + svg_drawing.bar(0, height - 2, WIDTH, share))


def _paragraph(content: str, *, tone: str = "fg") -> Block:
    if not content:
        return Block(0, "")
    rows = svg_drawing.wrap(content, INNER, lines=2)
    body = "".join(svg_drawing.text_line(EDGE, 20 + 18 * i, [TextSpan(row, tone)]) for i, row in enumerate(rows))
    return Block(12 + 18 * len(rows), body)


def _timeline(snapshot: Snapshot) -> Block:
    phases = text.phase_durations(snapshot)
    if not phases:
        return Block(0, "")
    entries = []
    for index, (name, seconds) in enumerate(phases):
        shape, tone = _last_phase(snapshot) if index == len(phases) - 1 else ("check", "quiet")
        spans = [TextSpan(svg_drawing.truncate(name, 200, size=SMALL), "fg" if tone == "quiet" else tone)]
        spans += [] if seconds is None else [TextSpan(text.format_duration(seconds), tone)]
        entries.append((shape, tone, spans, 20 + sum(svg_drawing.text_width(span.text, size=SMALL) for span in spans)))
    free_width = INNER - sum(width for *_, width in entries)
    gap = min(34.0, max(14.0, free_width / (len(entries) - 1))) if len(entries) > 1 else 0.0
    parts, x, y = [], float(EDGE), 19.0
    for index, (shape, tone, spans, width) in enumerate(entries):
        if index and x + gap + width > WIDTH - EDGE + 1:
            x, y = float(EDGE), y + 19
        elif index:
            parts.append(svg_drawing.rule(y - 4, start=x + 3, end=x + gap - 5))
            x += gap
        parts += [svg_drawing.icon(shape, tone, x, y - 10), svg_drawing.text_line(x + 16, y, spans, size=SMALL, gap=4)]
        x += width
    return Block(y + 12, "".join(parts))


def _last_phase(snapshot: Snapshot) -> tuple[str, str]:
    if snapshot.state is State.FAILED:
        return "cross", "bad"
    if snapshot.state is State.COMPLETE or snapshot.phases[-1].ended is not None:
        return "check", "quiet"
    return ("half", "active") if snapshot.state in text.LIVE else ("square", "quiet")


def _failure(failure: Failure) -> Block:
    parts, y = [svg_drawing.rule(0.5)], 4.0
    for sentence, bold, tone in (
        (failure.headline, True, "fg"),
        (failure.first, False, "quiet"),
        (failure.remedy, False, "quiet"),
    ):
        for row in svg_drawing.wrap(sentence, INNER, lines=3, bold=bold):
            y += 18
            parts.append(svg_drawing.text_line(EDGE + 2, y, [TextSpan(row, tone, bold)]))
    y += 12
    parts.append(f'<rect class="bad" width="3" height="{y:g}"/>')
    rank, source = text.blamed_rank(failure), failure.source.strip()
    if failure.where or rank:
        blame = (f"← {rank}" if source else rank) if rank else ""
        where = svg_drawing.truncate(failure.where, 240, size=MONO, mono=True)
        max_width = INNER - svg_drawing.text_width(f"{where}{blame}    ", size=MONO, mono=True)
        spans = [
            TextSpan(where, "quiet"),
            TextSpan(svg_drawing.truncate(source, max_width, size=MONO, mono=True)),
            TextSpan(blame, "bad"),
        ]
        parts += [
            f'<rect class="soft" y="{y:g}" width="{WIDTH}" height="28"/>',
            svg_drawing.rule(y + 0.5),
            svg_drawing.text_line(EDGE, y + 18, [span for span in spans if span.text], size=MONO, mono=True, gap=14),
        ]
        y += 28
    return Block(y, "".join(parts))


def _charts(snapshot: Snapshot, series: Series) -> Iterator[Block]:
    reported = series.names()
    names = [name for name in snapshot.metrics if name in reported] or reported
    bands = {name: series.band(name, points=CURVE_POINTS) for name in names[:MAX_CURVES]}
    shown = [name for name, band in bands.items() if svg_drawing.finite_runs(band.mean)]
    height = _PLOT_HEIGHT + 58
    for first in range(0, len(shown), 2):
        row = shown[first : first + 2]
        width = WIDTH / 2 if len(shown) > 1 else WIDTH
        parts = [svg_drawing.rule(0.5)]
        for column, name in enumerate(row):
            chart = _chart(name, bands[name], snapshot, width=width - 2 * EDGE)
            parts.append(f'<g transform="translate({column * width + EDGE:g} 0)">{chart}</g>')
        if width < WIDTH:
            parts.append(f'<path class="rule" d="M{width:g} 0V{height:g}"/>')
        yield Block(height, "".join(parts))
    others = [name for name in snapshot.metrics if name not in shown]
    if others:
        values = " · ".join(f"{name} {text.format_value(snapshot.metrics[name])}" for name in others[:MAX_METRICS])
        rows = svg_drawing.wrap(values, INNER, lines=3, size=SMALL)
        body = "".join(
            svg_drawing.text_line(EDGE, 19 + 17 * i, [TextSpan(row, "quiet")], size=SMALL) for i, row in enumerate(rows)
        )
        yield Block(12 + 17 * len(rows), svg_drawing.rule(0.5) + body)


def _chart(name: str, band: Band, snapshot: Snapshot, *, width: float) -> str:
    columns: list[list[float]] = [column.tolist() for column in (band.x, band.mean, band.low, band.high)]
    x, mean, lows, highs = columns
    runs = svg_drawing.finite_runs(mean)
    low, high = min(lows[i] for run in runs for i in run), max(highs[i] for run in runs for i in run)
    start, end = x[0], x[-1]
    # The axis of a running job extends to its last step.
    x_end = max(end, float(snapshot.total or 0)) if snapshot.state in text.LIVE else end
    x_range, y_range, top = (x_end - start) or 1.0, (high - low) or 1.0, 32.0

    def to_x(step: float) -> float:
        return (step - start) / x_range * width

    def to_y(value: float) -> float:
        return top + 2 + (1 - (value - low) / y_range) * (_PLOT_HEIGHT - 4) if high > low else top + _PLOT_HEIGHT / 2

    parts = [
        svg_drawing.rule(top + _PLOT_HEIGHT / 2, end=width, dashed=True),
        svg_drawing.rule(top + _PLOT_HEIGHT, end=width),
    ]
    parts += [
        svg_drawing.band([(to_x(x[i]), to_y(lows[i]), to_y(highs[i])) for i in run])
        for run in runs
        if any(lows[i] != highs[i] for i in run)
    ]
    parts += [svg_drawing.curve([(to_x(x[i]), to_y(mean[i])) for i in run]) for run in runs]
    last = text.format_value(snapshot.metrics.get(name, mean[runs[-1][-1]]))
    max_width = width - svg_drawing.text_width(last, bold=True) - 10
    note = f"mean and range of {band.ranks} ranks" if band.ranks > 1 else ""
    title = [TextSpan(svg_drawing.truncate(name, max_width, bold=True), bold=True)]
    if (
        note
        and svg_drawing.text_width(title[0].text, bold=True) + 8 + svg_drawing.text_width(note, size=SMALL) <= max_width
    ):
        title.append(TextSpan(note, "quiet"))
    axis = [
        svg_drawing.text_line(0, top + _PLOT_HEIGHT + 15, [TextSpan(f"step {start:,.0f}", "quiet")], size=11),
        svg_drawing.text_line(
            width, top + _PLOT_HEIGHT + 15, [TextSpan(f"{x_end:,.0f}", "quiet")], size=11, anchor="end"
        ),
        svg_drawing.text_line(
            width / 2,
            top + _PLOT_HEIGHT + 15,
            [TextSpan(f"{text.format_value(low)} to {text.format_value(high)}", "quiet")],
            size=11,
            anchor="middle",
        ),
    ]
    head = svg_drawing.text_line(0, 21, title, gap=8) + svg_drawing.text_line(
        width, 21, [TextSpan(last, bold=True)], anchor="end"
    )
    return head + "".join(parts) + "".join(axis)


def _nodes(nodes: Sequence[Node]) -> Block:
    if len(nodes) < 2:
        return Block(0, "")
    shown = sorted(nodes, key=lambda node: (tables.node_note(node)[1] == "quiet", node.index))[:MAX_TILES]
    shown.sort(key=lambda node: node.index)
    tile_height = 48.0 if any(_cpu_share(node) is not None for node in shown) else 40.0
    gap, parts = 8.0, [svg_drawing.rule(0.5)]
    tile_width = (INNER - gap * (_TILES_PER_ROW - 1)) / _TILES_PER_ROW
    for index, node in enumerate(shown):
        row, column = divmod(index, _TILES_PER_ROW)
        transform = f"translate({EDGE + column * (tile_width + gap):g} {12 + row * (tile_height + gap):g})"
        parts.append(f'<g transform="{transform}">{_tile(node, tile_width, tile_height)}</g>')
    height = 16 + (tile_height + gap) * -(-len(shown) // _TILES_PER_ROW)
    if len(nodes) > len(shown):
        more = f"and {len(nodes) - len(shown):,} more nodes"
        parts.append(svg_drawing.text_line(EDGE, height + 8, [TextSpan(more, "quiet")], size=SMALL))
        height += 20
    return Block(height, "".join(parts))


def _tile(node: Node, width: float, height: float) -> str:
    note, tone = tables.node_note(node)
    style = f"tile-{tone}" if tone in ("warn", "bad") else "tile"
    share = _cpu_share(node)
    return (
        f'<rect class="{style}" x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="3"/>'
        + svg_drawing.text_line(7, 16, [TextSpan(f"node {node.index}", bold=True)], size=11)
        + svg_drawing.text_line(7, 31, [TextSpan(svg_drawing.truncate(note, width - 14, size=11), tone)], size=11)
        + (
            ""
            if share is None
            else svg_drawing.bar(7, 39, width - 14, share, tone="active" if tone == "quiet" else tone)
        )
    )


def _cpu_share(node: Node) -> float | None:
    return tables.cpu_share(node) if node.state == "Running" else None


def _log(lines: Sequence[LogLine]) -> Block:
    rows = [line for line in lines if line.text.strip()][-LOG_ROWS:]
    if not rows:
        return Block(0, "")
    height = 16.0 + 17 * len(rows)
    parts = [f'<rect class="soft" width="{WIDTH}" height="{height:g}"/>', svg_drawing.rule(0.5)]
    rank_width = len(str(max(line.rank for line in rows)))
    for index, row in enumerate(rows):
        prefix = f"{_time_of_day(row.time)} {row.rank:>{rank_width}} "
        max_width = INNER - svg_drawing.text_width(prefix, size=MONO, mono=True)
        spans = [TextSpan(prefix, "quiet"), TextSpan(svg_drawing.truncate(row.text, max_width, size=MONO, mono=True))]
        parts.append(svg_drawing.text_line(EDGE, 22 + 17 * index, spans, size=MONO, mono=True))
    return Block(height, "".join(parts))


def _text_parts(snapshot: Snapshot) -> Iterator[str]:
    yield text.summary(snapshot, traceback=False)
    if snapshot.metrics:
        yield tables.metrics(snapshot, max_rows=MAX_METRICS)
    if snapshot.pods:
        yield tables.nodes(snapshot.pods[:MAX_NODES])


def _details_element(summary: str, content: str, limit: int, *, end: bool = False) -> str:
    """Return a ``details`` element with the beginning, or the `end`, of a text in at most about `limit` bytes."""
    content = text.sanitize(content).strip("\n")
    content = _truncate_escaped(content[::-1], limit)[::-1] if end else _truncate_escaped(content, limit)
    summary = _truncate_escaped(text.sanitize(summary), 200)
    return f"<details><summary>{escape(summary)}</summary><pre>{escape(content)}</pre></details>"


def _time_of_day(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _truncate_escaped(content: str, limit: int) -> str:
    """Return the beginning of a text that has at most `limit` bytes once it is escaped."""
    for index, character in enumerate(content):
        limit -= len(escape(character).encode())
        if limit < 0:
            return content[:index] + "…"
    return content
