"""The picture of a job that stays in a notebook: HTML without a script, drawn like the widget, with its style sheet.

Comes in a `Snapshot` and the columns of the metrics, goes out one string, bounded. Every string that a pod wrote is
cleaned and escaped. Where a host drops the style or the SVG (untrusted notebooks, some viewers), words remain.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from jupyter_trainjob.client.snapshot import Failure, LogLine, Snapshot, State
from jupyter_trainjob.widget import text
from jupyter_trainjob.widget.curves import Curve, Curves

STYLE = Path(__file__).parent / "static" / "picture.css"
MAX_BYTES = 60_000
"""What the bounds below keep a picture under."""
CURVE_POINTS = 160
MAX_CURVES = 4
LOG_LINES = 100
LOG_CHARACTERS = 12_000
LINE_CHARACTERS = 400
TRACEBACK_CHARACTERS = 6_000
SOURCE_CHARACTERS = 400
HEADLINE_CHARACTERS = 1_000

_WIDTH, _HEIGHT = 300.0, 90.0
_SHAPES = {
    "ring": '<circle cx="6" cy="6" r="4.6"/>',
    "half": '<circle cx="6" cy="6" r="4.6"/><path class="tj-icon-fill" d="M6 1.4a4.6 4.6 0 0 0 0 9.2z"/>',
    "check": '<path d="M2 6.6 4.8 9.4 10 3"/>',
    "cross": '<path d="M2.8 2.8l6.4 6.4M9.2 2.8l-6.4 6.4"/>',
    "square": '<path class="tj-icon-fill" d="M2.5 2.5h7v7h-7z"/>',
    "bars": '<path d="M4.2 2.6v6.8M7.8 2.6v6.8"/>',
    "dash": '<path d="M2.6 6h6.8"/>',
}
_LOOKS = {
    State.QUEUED: ("ring", "waiting"),
    State.STARTING: ("half", "active"),
    State.RUNNING: ("half", "active"),
    State.STOPPED: ("square", "plain"),
    State.SUSPENDED: ("bars", "plain"),
    State.COMPLETE: ("check", "good"),
    State.FAILED: ("cross", "bad"),
    State.DELETED: ("dash", "plain"),
}


def html(snapshot: Snapshot, series: Mapping[str, Sequence[float]]) -> str:
    """Return the picture."""
    style = STYLE.read_text() if STYLE.exists() else ""
    parts = [
        f"<style>{style}</style>" if style else "",
        f'<section class="tj-card" data-state="{snapshot.state.value}">',
        _head(snapshot),
        '<div class="tj-rule"></div>',
        f'<p class="tj-reason">{_safe(snapshot.reason, HEADLINE_CHARACTERS)}</p>'
        if snapshot.reason and snapshot.failure is None
        else "",
        _timeline(snapshot),
        _failure(snapshot.failure) if snapshot.failure is not None else "",
        _figures(snapshot, series),
        _log(snapshot.log),
        "</section>",
    ]
    return "".join(parts)


def _head(snapshot: Snapshot) -> str:
    shape, tone = _LOOKS[snapshot.state]
    return (
        '<header class="tj-head">'
        f'<span class="tj-state tj-tone-{tone}">{_icon(shape)} {snapshot.state.value}</span> '
        f'<b class="tj-name">{_safe(snapshot.name)}</b> '
        f'<span class="tj-facts">{escape(" · ".join(text.facts(snapshot)))}</span> '
        f'<span class="tj-far">{escape(" · ".join(text.how_far(snapshot)))}</span>'
        "</header>"
    )


def _timeline(snapshot: Snapshot) -> str:
    items = []
    stretches = text.lengths(snapshot)
    for index, (name, seconds) in enumerate(stretches):
        shape, mark = "check", "done"
        if index == len(stretches) - 1:
            if snapshot.state is State.FAILED:
                shape, mark = "cross", "failed"
            elif snapshot.phases[index].ended is None and snapshot.state is not State.COMPLETE:
                shape, mark = ("half", "now") if snapshot.state in text.LIVE else ("square", "halted")
        items.append(
            f'<li class="tj-phase tj-phase-{mark}">{_icon(shape)} <span class="tj-phase-name">{_safe(name)}</span> '
            f'<span class="tj-phase-time">{"" if seconds is None else text.duration(seconds)}</span></li>'
        )
    return f'<ol class="tj-timeline">{"".join(items)}</ol>' if items else ""


def _failure(failure: Failure) -> str:
    who = text.blamed(failure)
    parts = [
        '<div class="tj-failure"><div class="tj-failure-words">',
        f'<p class="tj-failure-headline">{_safe(failure.headline, HEADLINE_CHARACTERS)}</p>',
        f'<p class="tj-failure-remedy">{_safe(failure.remedy, HEADLINE_CHARACTERS)}</p>' if failure.remedy else "",
        "</div>",
    ]
    if failure.where or who:
        source = failure.source.strip()
        blame = f"← {who}" if who and source else who
        parts += [
            '<p class="tj-failure-where">',
            f'<span class="tj-quiet">{_safe(failure.where, SOURCE_CHARACTERS)}</span> ' if failure.where else "",
            f"<code>{_safe(source, SOURCE_CHARACTERS)}</code> " if source else "",
            f'<span class="tj-tone-bad">{blame}</span>' if who else "",
            "</p>",
        ]
    if failure.traceback:
        whose = "" if failure.rank is None else f" of rank {failure.rank}"
        parts += [
            f'<details class="tj-traceback"><summary>Traceback{whose}</summary>',
            f"<pre>{_safe_tail(failure.traceback, TRACEBACK_CHARACTERS)}</pre></details>",
        ]
    return "".join([*parts, "</div>"])


def _figures(snapshot: Snapshot, series: Mapping[str, Sequence[float]]) -> str:
    curves = Curves()
    curves.feed(series)
    names = [name for name in snapshot.metrics if name in curves.names] or curves.names
    figures = [
        _figure(name, curves.curve(name, points=CURVE_POINTS), snapshot.metrics.get(name))
        for name in names[:MAX_CURVES]
    ]
    others = "".join(
        f'<li><span class="tj-quiet">{_safe(name, 80)}</span> <b>{text.value(snapshot.metrics[name])}</b></li>'
        for name in [*names[MAX_CURVES:], *(name for name in snapshot.metrics if name not in names)][:32]
        if name in snapshot.metrics
    )
    return (f'<div class="tj-figures">{"".join(figures)}</div>' if figures else "") + (
        f'<ul class="tj-others">{others}</ul>' if others else ""
    )


def _figure(name: str, curve: Curve, last: float | None) -> str:
    low, high = min(curve.low), max(curve.high)
    first_step, last_step = curve.x[0], curve.x[-1]
    wide, tall = (last_step - first_step) or 1.0, (high - low) or 1.0

    def place(x: float, y: float) -> str:
        return f"{(x - first_step) / wide * _WIDTH:.1f} {_HEIGHT - 2 - (y - low) / tall * (_HEIGHT - 4):.1f}"

    line = "L".join(place(x, y) for x, y in zip(curve.x, curve.mean, strict=True))
    band = ""
    if any(a != b for a, b in zip(curve.low, curve.high, strict=True)):
        there = [place(x, y) for x, y in zip(curve.x, curve.high, strict=True)]
        back = [place(x, y) for x, y in zip(reversed(curve.x), reversed(curve.low), strict=True)]
        band = f'<path class="tj-figure-band" d="M{"L".join(there + back)}Z"/>'
    note = f"mean and range of {curve.ranks} ranks" if curve.ranks > 1 else ""
    value = curve.mean[-1] if last is None else last
    return (
        f'<figure class="tj-figure"><figcaption><b>{_safe(name, 80)}</b> <span class="tj-quiet">{note}</span> '
        f'<b class="tj-value">{text.value(value)}</b></figcaption>'
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{_safe(name, 80)}, from {text.value(low)} to {text.value(high)}">'
        f'{band}<path class="tj-figure-line" d="M{line}"/></svg>'
        f'<div class="tj-figure-axis"><span>step {first_step:,.0f}</span> '
        f"<span>{text.value(low)} to {text.value(high)}</span> <span>{last_step:,.0f}</span></div></figure>"
    )


def _log(lines: Sequence[LogLine]) -> str:
    chosen: list[str] = []
    room = LOG_CHARACTERS
    for line in reversed(lines[-LOG_LINES:]):
        words = _safe(line.text, LINE_CHARACTERS)
        room -= len(words.encode())
        if room < 0:
            break
        moment = time.strftime("%H:%M:%S", time.localtime(line.time))
        chosen.append(
            f'<div class="tj-log-line"><span class="tj-log-time">{moment}</span> '
            f'<span class="tj-log-rank"><span class="tj-log-word">rank </span>{line.rank}</span> '
            f'<span class="tj-log-text">{words}</span></div>'
        )
    if not chosen:
        return ""
    # The outer box is reversed, so that without a script it starts at its end.
    rows = "".join(reversed(chosen))
    return f'<div class="tj-log"><div class="tj-log-lines tj-log-still"><div>{rows}</div></div></div>'


def _icon(shape: str) -> str:
    return f'<svg class="tj-icon tj-icon-{shape}" viewBox="0 0 12 12" aria-hidden="true">{_SHAPES[shape]}</svg>'


def _safe(words: str, limit: int = 200) -> str:
    """Return the beginning of `words`, cleaned and escaped, in at most about `limit` bytes."""
    return escape(_fitting(text.clean(words), limit))


def _safe_tail(words: str, limit: int) -> str:
    """Return the end of `words`."""
    return escape(_fitting(text.clean(words).rstrip()[::-1], limit)[::-1])


def _fitting(words: str, limit: int) -> str:
    for index, character in enumerate(words):
        limit -= len(escape(character).encode())
        if limit < 0:
            return words[:index] + "…"
    return words
