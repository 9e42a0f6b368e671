"""Everything that was reported as CSV: a row a report, as spreadsheets and pandas read it.

Comes in a `Series`, goes out gzipped text, since it travels to a browser. What would be too much for one is thinned
evenly, and says so in its first line.
"""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Sequence
from csv import writer

from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.widget.text import clean

MOST_ROWS = 500_000
"""About 20 MB of text."""


def sheet(series: Series, names: Sequence[str], *, most: int = MOST_ROWS) -> tuple[bytes, int, bool]:
    """Return the reports of `names` as gzipped CSV, how many rows that is, and whether these are all there are."""
    every = max(1, math.ceil(series.size() / most))
    complete = every == 1 and series.complete
    raw = io.BytesIO()
    rows = 0
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=4) as packed, io.TextIOWrapper(packed, "utf-8") as text:
        out = writer(text)
        if not complete:
            out.writerow([_shortened(every)])
        out.writerow(["rank", "time", "step", *(_safe(name) for name in names)])
        for rank, time, step, values in series.rows(names, every=every):
            out.writerow([rank, f"{time:.3f}", _number(step), *map(_number, values)])
            rows += 1
    return raw.getvalue(), rows, complete


def _shortened(every: int) -> str:
    if every == 1:
        return "# Some reports were lost with the logs of their pods: what is missing is thinned, min and max are kept."
    return f"# One of {every} reports of each rank. All of them, in the notebook: pandas.DataFrame(job.metrics())"


def _number(value: float | None) -> str:
    """Write a whole number without its nought, and nothing where there is none."""
    if value is None:
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))


def _safe(name: str) -> str:
    """Keep a name that a spreadsheet would take for a formula from being one."""
    name = clean(name)
    return f"'{name}" if name[:1] in ("=", "+", "-", "@") else name
