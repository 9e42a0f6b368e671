"""One cell of the corpus with the cells before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Case:
    """A cell whose last expression is its value."""

    cell: str
    before: tuple[str, ...] = ()
    """Cells that the notebook runs first."""
    options: str = ""
    """Of ``%%trainjob``."""
    expected: str = ""
    """Python for the value, where a notebook cannot run the cell itself."""
    runtime: str = "plain"


def case(*cells: str, options: str = "", expected: str = "") -> Case:
    """Return the case of the last of some cells."""
    return Case(cells[-1].strip("\n"), tuple(cell.strip("\n") for cell in cells[:-1]), options, expected)


def with_torch(cases: Mapping[str, Case]) -> dict[str, Case]:
    """Return the cases on the runtime whose processes have torch imported before they start."""
    return {name: replace(item, runtime="torch-distributed") for name, item in cases.items()}
