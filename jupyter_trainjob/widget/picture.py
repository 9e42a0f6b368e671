"""The picture of a job that stays in a notebook: an image that is drawn like the widget, and below it the words.

Comes in a `Snapshot` and the `Series` of the metrics, goes out HTML, bounded. Viewers of notebooks drop styles, scripts
and inline SVG, but let images, ``details`` and ``pre`` through: so all that is drawn is one SVG in a data URI, whose
``alt`` says the same in a line, and whatever one may want to read on or copy stands below it as text. Every string that
a pod wrote is cleaned and escaped.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from jupyter_trainjob.client.snapshot import Failure, LogLine, Node, Snapshot, State
from jupyter_trainjob.widget import drawing, tables, text
from jupyter_trainjob.widget.drawing import EDGE, INNER, MONO, SMALL, WIDTH, Block, Said

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.series import Band, Series

MAX_BYTES = 150_000
"""What the bounds below keep a picture under."""
CURVE_POINTS = 160
MAX_CURVES = 6
MAX_METRICS = 64
MAX_NODES = 128
"""In the words."""
LOG_ROWS = 10
"""In the image; below it are"""
LOG_LINES = 200
LOG_CHARACTERS = 12_000
LINE_CHARACTERS = 400
TRACEBACK_CHARACTERS = 8_000
WORDS_CHARACTERS = 10_000
ALT_CHARACTERS = 1_000

MAX_TILES = 16
"""Nodes in the image: those with something to say first."""
_PLOT = 74.0
_TILES = 8
"""Nodes in a row."""
_LOOKS = {
    State.QUEUED: ("ring", "warn"),
    State.STARTING: ("half", "active"),
    State.RUNNING: ("half", "active"),
    State.STOPPED: ("square", "quiet"),
    State.SUSPENDED: ("bars", "quiet"),
    State.COMPLETE: ("check", "good"),
    State.FAILED: ("cross", "bad"),
    State.DELETED: ("dash", "quiet"),
}


def html(snapshot: Snapshot, series: Series) -> str:
    """Return the picture with its words."""
    image = base64.b64encode(svg(snapshot, series).encode()).decode("ascii")
    said = _fitting(f"{' · '.join(text.facts(snapshot))}. {text.line(snapshot)}", ALT_CHARACTERS)
    parts = [f'<img width="{WIDTH}" alt="{escape(said)}" src="data:image/svg+xml;base64,{image}">']
    parts.append(_details(f"{snapshot.name} in words", "\n\n".join(_words(snapshot)), WORDS_CHARACTERS))
    if snapshot.failure is not None and snapshot.failure.traceback:
        rank = snapshot.failure.rank
        whose = "" if rank is None else f" of rank {rank}"
        parts.append(_details(f"Traceback{whose}", snapshot.failure.traceback, TRACEBACK_CHARACTERS, end=True))
    if snapshot.log:
        lines = [f"{_clock(line.time)} {line.rank} {line.text[:LINE_CHARACTERS]}" for line in snapshot.log[-LOG_LINES:]]
        parts.append(_details("The end of the log", "\n".join(lines), LOG_CHARACTERS, end=True))
    return "\n".join(parts)


def svg(snapshot: Snapshot, series: Series) -> str:
    """Return the image alone."""
    blocks = [_head(snapshot), _reason(snapshot), _timeline(snapshot)]
    if snapshot.failure is not None:
        blocks.append(_failure(snapshot.failure))
    blocks += [*_figures(snapshot, series), _nodes(snapshot.pods), _log(snapshot.log)]
    return drawing.image((block for block in blocks if block.height), title=text.line(snapshot))


def _head(snapshot: Snapshot) -> Block:
    shape, tone = _LOOKS[snapshot.state]
    far = " · ".join(text.how_far(snapshot))
    room = INNER - 18 - drawing.width(far) - 16
    state = Said(snapshot.state.value, tone, bold=True)
    room -= drawing.width(state.words, bold=True) + 10
    name = Said(drawing.fitted(snapshot.name, room, bold=True), "fg", bold=True)
    room -= drawing.width(name.words, bold=True) + 10
    facts = " · ".join(text.facts(snapshot))
    beside = drawing.width(facts) <= room
    said = [state, name, *([Said(facts, "quiet")] if beside else [])]
    body = drawing.icon(shape, tone, EDGE, 15.5) + drawing.line(EDGE + 19, 26, said, gap=9)
    if far:
        body += drawing.line(WIDTH - EDGE, 26, [Said(far, "quiet")], anchor="end")
    height = 42.0
    if not beside:
        body += drawing.line(EDGE + 19, 45, [Said(drawing.fitted(facts, INNER - 19), "quiet")])
        height = 58.0
    share = snapshot.progress
    if share is None or snapshot.state.finished:
        return Block(height, body + drawing.rule(height - 0.5))
    return Block(height + 1, body + drawing.bar(0, height - 2, WIDTH, share))


def _reason(snapshot: Snapshot) -> Block:
    if not snapshot.reason or snapshot.failure is not None:
        return Block(0, "")
    rows = drawing.wrapped(snapshot.reason, INNER, lines=2)
    body = "".join(drawing.line(EDGE, 20 + 18 * i, [Said(row)]) for i, row in enumerate(rows))
    return Block(12 + 18 * len(rows), body)


def _timeline(snapshot: Snapshot) -> Block:
    stretches = text.lengths(snapshot)
    if not stretches:
        return Block(0, "")
    said = []
    for index, (name, seconds) in enumerate(stretches):
        shape, tone = _last_phase(snapshot) if index == len(stretches) - 1 else ("check", "quiet")
        words = [Said(drawing.fitted(name, 200, size=SMALL), "fg" if tone == "quiet" else tone)]
        words += [] if seconds is None else [Said(text.duration(seconds), tone)]
        said.append((shape, tone, words, 20 + sum(drawing.width(each.words, size=SMALL) for each in words)))
    free = INNER - sum(wide for *_, wide in said)
    gap = min(34.0, max(14.0, free / (len(said) - 1))) if len(said) > 1 else 0.0
    parts, x, y = [], float(EDGE), 19.0
    for index, (shape, tone, words, wide) in enumerate(said):
        if index and x + gap + wide > WIDTH - EDGE + 1:
            x, y = float(EDGE), y + 19
        elif index:
            parts.append(drawing.rule(y - 4, start=x + 3, end=x + gap - 5))
            x += gap
        parts += [drawing.icon(shape, tone, x, y - 10), drawing.line(x + 16, y, words, size=SMALL, gap=4)]
        x += wide
    return Block(y + 12, "".join(parts))


def _last_phase(snapshot: Snapshot) -> tuple[str, str]:
    if snapshot.state is State.FAILED:
        return "cross", "bad"
    if snapshot.state is State.COMPLETE or snapshot.phases[-1].ended is not None:
        return "check", "quiet"
    return ("half", "active") if snapshot.state in text.LIVE else ("square", "quiet")


def _failure(failure: Failure) -> Block:
    parts, y = [drawing.rule(0.5)], 4.0
    for words, bold, tone in (
        (failure.headline, True, "fg"),
        (failure.first, False, "quiet"),
        (failure.remedy, False, "quiet"),
    ):
        for row in drawing.wrapped(words, INNER, lines=3, bold=bold):
            y += 18
            parts.append(drawing.line(EDGE + 2, y, [Said(row, tone, bold)]))
    y += 12
    parts.append(f'<rect class="bad" width="3" height="{y:g}"/>')
    who, source = text.blamed(failure), failure.source.strip()
    if failure.where or who:
        blame = (f"← {who}" if source else who) if who else ""
        where = drawing.fitted(failure.where, 240, size=MONO, mono=True)
        room = INNER - drawing.width(f"{where}{blame}    ", size=MONO, mono=True)
        said = [Said(where, "quiet"), Said(drawing.fitted(source, room, size=MONO, mono=True)), Said(blame, "bad")]
        parts += [
            f'<rect class="soft" y="{y:g}" width="{WIDTH}" height="28"/>',
            drawing.rule(y + 0.5),
            drawing.line(EDGE, y + 18, [each for each in said if each.words], size=MONO, mono=True, gap=14),
        ]
        y += 28
    return Block(y, "".join(parts))


def _figures(snapshot: Snapshot, series: Series) -> Iterator[Block]:
    known = series.names()
    names = [name for name in snapshot.metrics if name in known] or known
    bands = {name: series.band(name, points=CURVE_POINTS) for name in names[:MAX_CURVES]}
    shown = [name for name, band in bands.items() if drawing.runs(band.mean)]
    height = _PLOT + 58
    for first in range(0, len(shown), 2):
        row = shown[first : first + 2]
        wide = WIDTH / 2 if len(shown) > 1 else WIDTH
        parts = [drawing.rule(0.5)]
        for place, name in enumerate(row):
            figure = _figure(name, bands[name], snapshot, wide=wide - 2 * EDGE)
            parts.append(f'<g transform="translate({place * wide + EDGE:g} 0)">{figure}</g>')
        if wide < WIDTH:
            parts.append(f'<path class="rule" d="M{wide:g} 0V{height:g}"/>')
        yield Block(height, "".join(parts))
    others = [name for name in snapshot.metrics if name not in shown]
    if others:
        words = " · ".join(f"{name} {text.value(snapshot.metrics[name])}" for name in others[:MAX_METRICS])
        rows = drawing.wrapped(words, INNER, lines=3, size=SMALL)
        body = "".join(drawing.line(EDGE, 19 + 17 * i, [Said(row, "quiet")], size=SMALL) for i, row in enumerate(rows))
        yield Block(12 + 17 * len(rows), drawing.rule(0.5) + body)


def _figure(name: str, found: Band, snapshot: Snapshot, *, wide: float) -> str:
    columns: list[list[float]] = [each.tolist() for each in (found.x, found.mean, found.low, found.high)]
    x, mean, lows, highs = columns
    runs = drawing.runs(mean)
    low, high = min(lows[i] for run in runs for i in run), max(highs[i] for run in runs for i in run)
    start, end = x[0], x[-1]
    # A job that goes on shows how far it is to go.
    until = max(end, float(snapshot.total or 0)) if snapshot.state in text.LIVE else end
    across, tall, top = (until - start) or 1.0, (high - low) or 1.0, 32.0

    def right(step: float) -> float:
        return (step - start) / across * wide

    def down(value: float) -> float:
        return top + 2 + (1 - (value - low) / tall) * (_PLOT - 4) if high > low else top + _PLOT / 2

    parts = [drawing.rule(top + _PLOT / 2, end=wide, dashed=True), drawing.rule(top + _PLOT, end=wide)]
    parts += [
        drawing.band([(right(x[i]), down(lows[i]), down(highs[i])) for i in run])
        for run in runs
        if any(lows[i] != highs[i] for i in run)
    ]
    parts += [drawing.curve([(right(x[i]), down(mean[i])) for i in run]) for run in runs]
    last = text.value(snapshot.metrics.get(name, mean[runs[-1][-1]]))
    room = wide - drawing.width(last, bold=True) - 10
    note = f"mean and range of {found.ranks} ranks" if found.ranks > 1 else ""
    words = [Said(drawing.fitted(name, room, bold=True), bold=True)]
    if note and drawing.width(words[0].words, bold=True) + 8 + drawing.width(note, size=SMALL) <= room:
        words.append(Said(note, "quiet"))
    axis = [
        drawing.line(0, top + _PLOT + 15, [Said(f"step {start:,.0f}", "quiet")], size=11),
        drawing.line(wide, top + _PLOT + 15, [Said(f"{until:,.0f}", "quiet")], size=11, anchor="end"),
        drawing.line(
            wide / 2,
            top + _PLOT + 15,
            [Said(f"{text.value(low)} to {text.value(high)}", "quiet")],
            size=11,
            anchor="middle",
        ),
    ]
    head = drawing.line(0, 21, words, gap=8) + drawing.line(wide, 21, [Said(last, bold=True)], anchor="end")
    return head + "".join(parts) + "".join(axis)


def _nodes(nodes: Sequence[Node]) -> Block:
    if len(nodes) < 2:
        return Block(0, "")
    shown = sorted(nodes, key=lambda node: (tables.node_note(node)[1] == "quiet", node.index))[:MAX_TILES]
    shown.sort(key=lambda node: node.index)
    tall = 48.0 if any(_busy(node) is not None for node in shown) else 40.0
    gap, parts = 8.0, [drawing.rule(0.5)]
    wide = (INNER - gap * (_TILES - 1)) / _TILES
    for index, node in enumerate(shown):
        down, across = divmod(index, _TILES)
        place = f"translate({EDGE + across * (wide + gap):g} {12 + down * (tall + gap):g})"
        parts.append(f'<g transform="{place}">{_tile(node, wide, tall)}</g>')
    height = 16 + (tall + gap) * -(-len(shown) // _TILES)
    if len(nodes) > len(shown):
        more = f"and {len(nodes) - len(shown):,} more nodes, with nothing to say of them"
        parts.append(drawing.line(EDGE, height + 8, [Said(more, "quiet")], size=SMALL))
        height += 20
    return Block(height, "".join(parts))


def _tile(node: Node, wide: float, tall: float) -> str:
    words, tone = tables.node_note(node)
    look = f"tile-{tone}" if tone in ("warn", "bad") else "tile"
    share = _busy(node)
    return (
        f'<rect class="{look}" x=".5" y=".5" width="{wide - 1:g}" height="{tall - 1:g}" rx="3"/>'
        + drawing.line(7, 16, [Said(f"node {node.index}", bold=True)], size=11)
        + drawing.line(7, 31, [Said(drawing.fitted(words, wide - 14, size=11), tone)], size=11)
        + ("" if share is None else drawing.bar(7, 39, wide - 14, share, tone="active" if tone == "quiet" else tone))
    )


def _busy(node: Node) -> float | None:
    return tables.cpu_share(node) if node.state == "Running" else None


def _log(lines: Sequence[LogLine]) -> Block:
    rows = [line for line in lines if line.text.strip()][-LOG_ROWS:]
    if not rows:
        return Block(0, "")
    height = 16.0 + 17 * len(rows)
    parts = [f'<rect class="soft" width="{WIDTH}" height="{height:g}"/>', drawing.rule(0.5)]
    across = len(str(max(line.rank for line in rows)))
    for index, row in enumerate(rows):
        head = f"{_clock(row.time)} {row.rank:>{across}} "
        room = INNER - drawing.width(head, size=MONO, mono=True)
        words = [Said(head, "quiet"), Said(drawing.fitted(row.text, room, size=MONO, mono=True))]
        parts.append(drawing.line(EDGE, 22 + 17 * index, words, size=MONO, mono=True))
    return Block(height, "".join(parts))


def _words(snapshot: Snapshot) -> Iterator[str]:
    yield text.block(snapshot, traceback=False)
    if snapshot.metrics:
        rows = [(name, text.value(last)) for name, last in list(snapshot.metrics.items())[:MAX_METRICS]]
        yield tables.columns(("METRIC", "LAST"), rows)
    if snapshot.pods:
        yield tables.nodes(snapshot.pods[:MAX_NODES])


def _details(summary: str, words: str, limit: int, *, end: bool = False) -> str:
    """Return text that unfolds: its beginning, or its `end`, in at most about `limit` bytes."""
    words = text.clean(words).strip("\n")
    words = _fitting(words[::-1], limit)[::-1] if end else _fitting(words, limit)
    return (
        f"<details><summary>{escape(_fitting(text.clean(summary), 200))}</summary><pre>{escape(words)}</pre></details>"
    )


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _fitting(words: str, limit: int) -> str:
    """Return the beginning of `words` that takes at most `limit` bytes once it is escaped."""
    for index, character in enumerate(words):
        limit -= len(escape(character).encode())
        if limit < 0:
            return words[:index] + "…"
    return words
