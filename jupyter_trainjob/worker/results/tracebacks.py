"""Format a traceback as the notebook would show it, and find the cell's line that raised.

The worker's own frames are omitted; frames of notebook cells have ``Cell [12], line 4`` instead of a file name.
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ..output import secret_masking
from ..output.messages import Error
from ..storage import packed_modules

LIMIT: Final = 32 * 2**10
"""Maximum size in bytes of a traceback."""
MESSAGE_LIMIT: Final = 4 * 2**10
HEAD: Final = 8 * 2**10
WORKER_ROOT: Final = str(Path((lambda: None).__code__.co_filename).parents[1])
"""Path of this package in code objects; that of compiled code in an archive differs from ``__file__``."""


def describe_error(error: BaseException, cells: Mapping[str, str]) -> Error:
    """Return the message about an exception. `cells` maps the file names of notebook code to labels of cells."""
    where, source = _innermost_cell_line(error, cells)
    return Error(
        type=type(error).__qualname__,
        module=type(error).__module__,
        message=error_text(error),
        where=where,
        source=source,
        traceback=_shorten(render_traceback(error, cells), LIMIT),
        time=time.time(),
    )


def headline(error: Error) -> str:
    """Return the cause in one line."""
    first = error["message"].strip().partition("\n")[0]
    name = error["type"] if error["module"] in ("builtins", "__main__") else f"{error['module']}.{error['type']}"
    line = f"{name}: {first}" if first else name
    return f"{line} ({error['where']})" if error["where"] else line


def render_traceback(error: BaseException, cells: Mapping[str, str]) -> str:
    """Return the traceback as text, with the chained exceptions."""
    rendered = traceback.TracebackException.from_exception(error)
    _cut_worker_frames(rendered, set())
    for frame in rendered.stack:
        frame.filename = packed_modules.displayed_path(frame.filename)
    text = secret_masking.mask("".join(rendered.format()))
    for filename, label in cells.items():
        text = re.sub(rf'^(\W*)File "{re.escape(filename)}", line', rf"\g<1>{_literal(label)}, line", text, flags=re.M)
    return text


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\")


def _cut_worker_frames(rendered: traceback.TracebackException, done: set[int]) -> None:
    """Remove the worker's frames from a traceback and from all chained ones."""
    if id(rendered) in done:
        return
    done.add(id(rendered))
    rendered.stack[:] = [frame for frame in rendered.stack if not is_worker_code(frame.filename)]
    chained = [rendered.__cause__, rendered.__context__, *(getattr(rendered, "exceptions", None) or ())]
    for other in chained:
        if other is not None:
            _cut_worker_frames(other, done)


def is_worker_code(filename: str) -> bool:
    """Return whether `filename` is a file of the worker."""
    return filename.startswith(WORKER_ROOT) or filename == "<frozen runpy>"


def _innermost_cell_line(error: BaseException, cells: Mapping[str, str]) -> tuple[str, str]:
    """Return the innermost line of the notebook, of the exception itself or else of a chained one."""
    for exception in _chain(error):
        for frame in reversed(traceback.extract_tb(exception.__traceback__)):
            if frame.filename in cells:
                return f"{cells[frame.filename]}, line {frame.lineno}", (frame.line or "").strip()
    return "", ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    done: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in done:
        done.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def error_text(error: BaseException) -> str:
    """Return the message of an exception, masked and shortened."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - the user's own __str__
        text = f"<its text cannot be made: {type(broken).__name__}>"
    return _shorten(secret_masking.mask(text), MESSAGE_LIMIT)


def _shorten(text: str, limit: int) -> str:
    """Omit the middle of a text that is longer than `limit` bytes in UTF-8."""
    data = text.encode(errors="backslashreplace")
    if len(data) <= limit:
        return text
    head = min(HEAD, limit // 4)
    note = f"\n… {len(data) - limit:,} bytes left out …\n"
    tail = limit - head - len(note.encode())
    return data[:head].decode(errors="ignore") + note + data[-tail:].decode(errors="ignore")
