"""What went wrong, for people: the traceback as the notebook would show it, and the line of the cell that is to blame.

The worker's own frames are cut off; frames of notebook cells say ``Cell [12], line 4`` instead of a file name.
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from . import files, hidden
from .messages import Error

LIMIT: Final = 32 * 2**10
"""Bytes of a traceback that is sent."""
MESSAGE_LIMIT: Final = 4 * 2**10
HEAD: Final = 8 * 2**10
OWN: Final = str(Path((lambda: None).__code__.co_filename).parent)
"""Where this package's code says that it comes from; byte code of an archive says something else than ``__file__``."""


def describe(error: BaseException, cells: Mapping[str, str]) -> Error:
    """Return the message about an exception. `cells` maps the file names of notebook code to what cells are called."""
    where, source = _blame(error, cells)
    return Error(
        type=type(error).__qualname__,
        module=type(error).__module__,
        message=text_of(error),
        where=where,
        source=source,
        traceback=_shorten(render(error, cells), LIMIT),
        time=time.time(),
    )


def headline(error: Error) -> str:
    """Return the cause in one line."""
    first = error["message"].strip().partition("\n")[0]
    name = error["type"] if error["module"] in ("builtins", "__main__") else f"{error['module']}.{error['type']}"
    line = f"{name}: {first}" if first else name
    return f"{line} ({error['where']})" if error["where"] else line


def render(error: BaseException, cells: Mapping[str, str]) -> str:
    """Return the traceback as text, with the exceptions that it came from."""
    seen = traceback.TracebackException.from_exception(error)
    _cut(seen, set())
    for each in seen.stack:
        each.filename = files.shown(each.filename)
    text = hidden.mask("".join(seen.format()))
    for filename, label in cells.items():
        text = re.sub(rf'^(\W*)File "{re.escape(filename)}", line', rf"\1{_literal(label)}, line", text, flags=re.M)
    return text


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\")


def _cut(seen: traceback.TracebackException, done: set[int]) -> None:
    """Take the worker's frames out of a traceback and of all those that it is chained to."""
    if id(seen) in done:
        return
    done.add(id(seen))
    seen.stack[:] = [frame for frame in seen.stack if not is_own(frame.filename)]
    chained = [seen.__cause__, seen.__context__, *(getattr(seen, "exceptions", None) or ())]
    for other in chained:
        if other is not None:
            _cut(other, done)


def is_own(filename: str) -> bool:
    """Return whether code is the worker's."""
    return filename.startswith(OWN) or filename == "<frozen runpy>"


def _blame(error: BaseException, cells: Mapping[str, str]) -> tuple[str, str]:
    """Return the innermost line of the notebook: of the exception itself, else of what it came from."""
    for exception in _chain(error):
        for frame in reversed(traceback.extract_tb(exception.__traceback__)):
            if frame.filename in cells:
                return f"{cells[frame.filename]}, line {frame.lineno}", (frame.line or "").strip()
    return "", ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    done: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in done:
        done.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def text_of(error: BaseException) -> str:
    """Return what an exception says, shortened."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - the user's own __str__
        text = f"<its text cannot be made: {type(broken).__name__}>"
    return _shorten(hidden.mask(text), MESSAGE_LIMIT)


def _shorten(text: str, limit: int) -> str:
    """Leave out the middle of a text that is too long in UTF-8."""
    data = text.encode(errors="backslashreplace")
    if len(data) <= limit:
        return text
    head = min(HEAD, limit // 4)
    note = f"\n… {len(data) - limit:,} bytes left out …\n"
    tail = limit - head - len(note.encode())
    return data[:head].decode(errors="ignore") + note + data[-tail:].decode(errors="ignore")
