"""Write the reports of a job as gzipped CSV, one row per report.

A job with more than `MAX_ROWS` reports is downsampled evenly; the first line of the file reports this.
"""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Sequence
from csv import writer

from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.rendering.text import sanitize

MAX_ROWS = 500_000
"""About 20 MB of text."""


def write_csv(series: Series, names: Sequence[str], *, max_rows: int = MAX_ROWS) -> tuple[bytes, int, bool]:
    """Return the reports of the metrics `names` as gzipped CSV, the number of rows, and whether no report is missing.

    The columns are rank, time in seconds since 1970, step, and `names`.
    """
    stride = max(1, math.ceil(series.size() / max_rows))
    complete = stride == 1 and series.complete
    compressed = io.BytesIO()
    rows = 0
    with gzip.GzipFile(fileobj=compressed, mode="wb", compresslevel=4) as file, io.TextIOWrapper(file, "utf-8") as text:
        output = writer(text)
        if not complete:
            output.writerow([_incomplete_note(stride)])
        output.writerow(["rank", "time", "step", *(_escape_formula(name) for name in names)])
        for rank, time, step, values in series.rows(names, every=stride):
            output.writerow([rank, f"{time:.3f}", _format_number(step), *map(_format_number, values)])
            rows += 1
    return compressed.getvalue(), rows, complete


def _incomplete_note(stride: int) -> str:
    if stride == 1:
        return "# Some reports were lost with the logs of their pods; a downsampled curve replaces them."
    return f"# One of {stride} reports of each rank. All of them, in the notebook: pandas.DataFrame(job.metrics())"


def _format_number(value: float | None) -> str:
    """Format integers without a decimal point, and None as the empty string."""
    if value is None:
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))


def _escape_formula(name: str) -> str:
    """Quote a name that a spreadsheet would evaluate as a formula."""
    name = sanitize(name)
    return f"'{name}" if name[:1] in ("=", "+", "-", "@") else name
