"""Rows of the table of results: this package, the peer, their ratio, and the goal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison, with samples in `unit`."""

    title: str
    ours: Sequence[float]
    unit: str
    goal: str
    peer: str = ""
    theirs: Sequence[float] = ()
    higher_is_better: bool = False

    def text(self) -> str:
        """Return the row as a line of Markdown."""
        ours = f"{_median(self.ours)} {self.unit}"
        theirs = f"{self.peer} {_median(self.theirs)} {self.unit}" if self.theirs else "–"
        ratio = "–"
        if self.theirs:
            value = statistics.median(self.ours) / statistics.median(self.theirs)
            ratio = f"{value:.3g} ×" if self.higher_is_better or value >= 0.2 else f"1/{1 / value:.0f}"
        return f"| {self.title} | {ours} | {theirs} | {ratio} | {self.goal} |"


HEAD = "| measured | ours | peer | ratio | goal |\n|---|---|---|---|---|"


def _median(samples: Sequence[float]) -> str:
    median = f"{statistics.median(samples):.3g}"
    return f"{median} ({min(samples):.3g}–{max(samples):.3g})" if len(samples) > 1 else median
