"""Figures of matplotlib that a cell leaves open: a notebook shows them below the cell, a job has no screen."""

from __future__ import annotations

import sys
from typing import Any


def unshown_figures_note(value: Any, source: str) -> str:
    """Return how to get the open figures of a cell with the result `value`; empty if it has none.

    A cell that saves figures needs no note: an open figure does not tell whether it was saved.
    """
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or "savefig" in source:
        return ""
    figures = [pyplot.figure(number) for number in pyplot.get_fignums()]
    count = sum(figure is not value for figure in figures)
    if not count:
        return ""
    return (
        f"{count} matplotlib figure{'' if count == 1 else 's'} cannot be shown: a job has no screen. End the cell with "
        'the figure (plt.gcf()) to get it as the result, or save it: plt.savefig(output_dir() / "figure.png").'
    )
