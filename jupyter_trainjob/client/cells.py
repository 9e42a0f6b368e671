"""What the user calls code that IPython compiled: ``Cell [12]`` instead of the name of a temporary file."""

from __future__ import annotations

import sys


def name(number: object) -> str:
    """Return the name of the cell with this execution count."""
    return f"Cell [{number}]"


def names() -> dict[str, str]:
    """Return the names by the files that tracebacks would show; empty outside of IPython."""
    # Whoever has not imported IPython has no cells: it is not imported for the answer.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    numbers = getattr(getattr(shell, "compile", None), "_filename_map", {})
    return {filename: name(number) for filename, number in numbers.items()}
