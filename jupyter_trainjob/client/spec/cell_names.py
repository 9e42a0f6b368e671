"""Name code that IPython compiled by its cell, ``Cell [12]``, instead of by its temporary file."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Mapping


def cell_name(number: object) -> str:
    """Return the name of the cell with this execution count."""
    return f"Cell [{number}]"


def names_by_file() -> dict[str, str]:
    """Return the cells' names by the files that tracebacks show; empty outside of IPython."""
    numbers = getattr(getattr(_shell(), "compile", None), "_filename_map", {})
    return {filename: cell_name(number) for filename, number in numbers.items()}


def file_of(filename: str, texts: Mapping[str, tuple[str, str]]) -> str:
    """Return the file name under which tracebacks in this process show the code of a job's file.

    `texts` has label and text of the job's cells by their file names in the job. A cell of this kernel has a file
    already; any other gets one that IPython shows by the cell's number, or Python by its label.
    """
    if filename not in texts or filename in names_by_file():
        return filename
    label, text = texts[filename]
    number = re.fullmatch(r"Cell \[(\d+)\]", label)
    compiler = getattr(_shell(), "compile", None)
    if number is not None and compiler is not None:
        return str(compiler.cache(text, int(number[1])))
    linecache.cache[label] = (len(text), None, text.splitlines(keepends=True), label)
    return label


def _shell() -> object:
    # Without IPython there are no cells, so it is not imported here.
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None
