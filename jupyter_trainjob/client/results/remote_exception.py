"""Raise a rank's exception again in the notebook, with its own type and the notebook's lines in its traceback.

`rebuild_exception` reads the signed message of `worker.results.raised_exception`. The traceback consists of real frames
of generated code with the file, line and name of the frames in the job, so that Python, IPython and debuggers show them
as usual. An exception that cannot be unpickled here is replaced by one of a generated class with the same name, derived
from its class or the nearest base class that can be imported.
"""

from __future__ import annotations

import ast
import base64
import importlib
import pickle
import sys
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any

from jupyter_trainjob.worker.results import raised_exception
from jupyter_trainjob.worker.results.rank_results import verify


def rebuild_exception(signed: bytes, *, key: bytes, rank: int, file_of: Callable[[str], str]) -> Exception | None:
    """Return the exception; None if it would end the notebook, such as SystemExit.

    `file_of` maps a file name of the job to the file here with the same source. Raises
    `worker.results.rank_results.ForgedResult` for a wrong signature, before anything is unpickled.
    """
    descriptions = raised_exception.parse_exceptions(verify(key, signed, rank=rank))
    exceptions = [_rebuild(description) for description in descriptions]
    for error, description in zip(exceptions, descriptions, strict=True):
        _link_members(error, description, exceptions)
    for error, description in zip(exceptions, descriptions, strict=True):
        error.__traceback__ = _build_traceback(description["frames"], file_of)
        error.__cause__ = exceptions[description["cause"]] if description["cause"] is not None else None
        error.__context__ = exceptions[description["context"]] if description["context"] is not None else None
        error.__suppress_context__ = description["suppress"]
    return exceptions[0] if isinstance(exceptions[0], Exception) else None


def add_note(error: BaseException, note: str) -> None:
    """Add a line that Python (from 3.11 on) and IPython show below the exception."""
    try:
        error.__notes__ = [*getattr(error, "__notes__", ()), note]  # type: ignore[attr-defined]
    except (AttributeError, TypeError):  # An exception class without writable attributes.
        return


def traceback_at(filename: str, line: int, name: str) -> TracebackType:
    """Return a traceback with one frame, at `line` of `filename` in the function `name`."""
    return _traceback_entry(None, filename, line, name, [None, None, None])


def _rebuild(description: dict[str, Any]) -> BaseException:
    for field, build in (("pickle", _require_exception), ("made", _build_without_init)):
        if description[field] is not None:
            try:
                return build(pickle.loads(base64.b64decode(description[field])))  # noqa: S301 - verified
            except Exception:  # noqa: BLE001, S112 - unpickling runs code of its class
                continue
    return _build_stand_in(description)


def _require_exception(value: Any) -> BaseException:
    if not isinstance(value, BaseException):
        raise TypeError(f"{value!r} is not an exception")
    return value


def _build_without_init(parts: tuple[type[BaseException], tuple[Any, ...], dict[str, Any]]) -> BaseException:
    kind, arguments, state = parts
    exception = kind.__new__(kind, *arguments)
    exception.args = arguments
    vars(exception).update(state)
    return _require_exception(exception)


def _build_stand_in(description: dict[str, Any]) -> BaseException:
    """Return an exception of a generated class with the same name, text and importable base classes."""
    bases = [
        base_class for module, name in description["bases"] if (base_class := _find_class(module, name)) is not None
    ]
    base = next((base_class for base_class in bases if issubclass(base_class, BaseException)), Exception)
    text = description["text"]
    body = {"__module__": description["module"], "__str__": lambda _: text, "__init__": lambda *_: None}
    name = description["type"].rpartition(".")[2]
    kind: Any = type(name, (base,), body)
    try:
        exception: BaseException = kind.__new__(kind, text)
    except TypeError:  # A base class whose `__new__` needs other arguments.
        exception = type(name, (Exception,), body)(text)
    for note in description["notes"]:
        add_note(exception, note)
    return exception


def _find_class(module: str, name: str) -> type[BaseException] | None:
    try:
        value: Any = sys.modules.get(module) or importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    except Exception:  # noqa: BLE001 - importing runs code of the module
        return None
    return value if isinstance(value, type) and issubclass(value, BaseException) else None


def _link_members(error: BaseException, description: dict[str, Any], exceptions: list[BaseException]) -> None:
    """Replace the members of an exception group in the list by those that the group was unpickled with."""
    for member, index in zip(getattr(error, "exceptions", ()), description["members"], strict=False):
        if index is not None:
            exceptions[index] = member


def _build_traceback(frames: list[list[Any]], file_of: Callable[[str], str]) -> TracebackType | None:
    trace: TracebackType | None = None
    for filename, line, name, *columns in reversed(frames):
        trace = _traceback_entry(trace, file_of(filename), line or 1, name, columns)
    return trace


def _traceback_entry(
    inner: TracebackType | None, filename: str, line: int, name: str, columns: list[Any]
) -> TracebackType:
    """Return a traceback entry, captured from generated code that raises at the given position."""
    column, last, end = (number if isinstance(number, int) else 0 for number in columns)
    position = {"lineno": line, "end_lineno": max(line, last), "col_offset": column, "end_col_offset": end}
    statement = ast.Raise(exc=ast.Name("stop", ast.Load(), **position), cause=None, **position)
    module = ast.Module([statement], type_ignores=[])
    code: CodeType = compile(module, filename, "exec", dont_inherit=True)
    code = code.replace(co_name=name)
    if sys.version_info >= (3, 11):
        code = code.replace(co_qualname=name)
    try:
        exec(code, {"stop": _FrameCapture, "__name__": "__main__", "__file__": filename})  # noqa: S102 - it only raises
    except _FrameCapture as stopped:
        entry = stopped.__traceback__
        while entry is not None and entry.tb_next is not None:
            entry = entry.tb_next
        if entry is not None:
            return TracebackType(inner, entry.tb_frame, entry.tb_lasti, line)
    raise AssertionError("the generated code did not raise")


class _FrameCapture(Exception):
    """Raised by generated code to capture its frame."""
