"""What the user calls code that IPython compiled: ``Cell [12]`` instead of the name of a temporary file."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Mapping


def name(number: object) -> str:
    """Return the name of the cell with this execution count."""
    return f"Cell [{number}]"


def names() -> dict[str, str]:
    """Return the names by the files that tracebacks would show; empty outside of IPython."""
    numbers = getattr(getattr(_shell(), "compile", None), "_filename_map", {})
    return {filename: name(number) for filename, number in numbers.items()}


def file_of(filename: str, texts: Mapping[str, tuple[str, str]]) -> str:
    """Return the file under which tracebacks here show the code of a job's file.

    `texts` has label and text of the job's cells, by the names that they have there. A cell of this very kernel has its
    file already; any other gets one that IPython shows by the cell's number, or Python by its label.
    """
    if filename not in texts or filename in names():
        return filename
    label, text = texts[filename]
    number = re.fullmatch(r"Cell \[(\d+)\]", label)
    compiler = getattr(_shell(), "compile", None)
    if number is not None and compiler is not None:
        return str(compiler.cache(text, int(number[1])))
    linecache.cache[label] = (len(text), None, text.splitlines(keepends=True), label)
    return label


def _shell() -> object:
    # Whoever has not imported IPython has no cells: it is not imported for the answer.
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None
