"""The exception of a rank, raised again in the notebook: with its own type, and a traceback of the notebook's lines.

In: the signed message of `worker.raising`. Out: an exception that was never raised here, whose traceback consists of
frames that were never run: each is a real frame of code that only has the file, the line and the name of the one in the
job, so that Python, IPython and debuggers show it as they show all others. What cannot be unpickled or imported here
becomes a stand-in of the same name, derived from its class or the nearest of its bases that there is.
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

from jupyter_trainjob.worker import raising
from jupyter_trainjob.worker.results import verify


def rebuilt(signed: bytes, *, key: bytes, rank: int, file_of: Callable[[str], str]) -> Exception | None:
    """Return the exception; None if it is one that would end the notebook, such as SystemExit.

    `file_of` says which file here holds the code of a file there. Raises `worker.results.ForgedResult` before anything
    is unpickled.
    """
    described = raising.read(verify(key, signed, rank=rank))
    made = [_exception(each) for each in described]
    for error, each in zip(made, described, strict=True):
        _take_members(error, each, made)
    for error, each in zip(made, described, strict=True):
        error.__traceback__ = _trace(each["frames"], file_of)
        error.__cause__ = made[each["cause"]] if each["cause"] is not None else None
        error.__context__ = made[each["context"]] if each["context"] is not None else None
        error.__suppress_context__ = each["suppress"]
    return made[0] if isinstance(made[0], Exception) else None


def with_note(error: BaseException, note: str) -> None:
    """Add a line that Python (from 3.11 on) and IPython show below the exception."""
    try:
        error.__notes__ = [*getattr(error, "__notes__", ()), note]  # type: ignore[attr-defined]
    except (AttributeError, TypeError):  # An exception that lets nobody write on it.
        return


def _exception(each: dict[str, Any]) -> BaseException:
    for how, make in (("pickle", _itself), ("made", _without_init)):
        if each[how] is not None:
            try:
                return make(pickle.loads(base64.b64decode(each[how])))  # noqa: S301 - verified
            except Exception:  # noqa: BLE001, S112 - whatever its class makes of being read here
                continue
    return _stand_in(each)


def _itself(value: Any) -> BaseException:
    if not isinstance(value, BaseException):
        raise TypeError(f"{value!r} is no exception")
    return value


def _without_init(parts: tuple[type[BaseException], tuple[Any, ...], dict[str, Any]]) -> BaseException:
    kind, arguments, state = parts
    made = kind.__new__(kind, *arguments)
    made.args = arguments
    vars(made).update(state)
    return _itself(made)


def _stand_in(each: dict[str, Any]) -> BaseException:
    """Return an exception that looks like one that cannot be read here, and can be caught by the same names."""
    bases = [found for module, name in each["bases"] if (found := _find(module, name)) is not None]
    base = next((found for found in bases if issubclass(found, BaseException)), Exception)
    text = each["text"]
    body = {"__module__": each["module"], "__str__": lambda _: text, "__init__": lambda *_: None}
    name = each["type"].rpartition(".")[2]
    kind: Any = type(name, (base,), body)
    try:
        made: BaseException = kind.__new__(kind, text)
    except TypeError:  # A base that is made of more than a text.
        made = type(name, (Exception,), body)(text)
    for note in each["notes"]:
        with_note(made, note)
    return made


def _find(module: str, name: str) -> type[BaseException] | None:
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception:  # noqa: BLE001 - whatever importing somebody's module does
        return None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _take_members(error: BaseException, each: dict[str, Any], made: list[BaseException]) -> None:
    """Let those that a group came with stand for its members in the list: they are linked and shown."""
    for member, place in zip(getattr(error, "exceptions", ()), each["members"], strict=False):
        if place is not None:
            made[place] = member


def _trace(frames: list[list[Any]], file_of: Callable[[str], str]) -> TracebackType | None:
    trace: TracebackType | None = None
    for filename, line, name, *columns in reversed(frames):
        trace = _entry(trace, file_of(filename), line or 1, name, columns)
    return trace


def _entry(inner: TracebackType | None, filename: str, line: int, name: str, columns: list[Any]) -> TracebackType:
    """Return one entry of a traceback, made by code that raises at the very place."""
    column, last, end = (each if isinstance(each, int) else 0 for each in columns)
    place = {"lineno": line, "end_lineno": max(line, last), "col_offset": column, "end_col_offset": end}
    statement = ast.Raise(exc=ast.Name("stop", ast.Load(), **place), cause=None, **place)
    module = ast.Module([statement], type_ignores=[])
    code: CodeType = compile(module, filename, "exec", dont_inherit=True)
    code = code.replace(co_name=name)
    if sys.version_info >= (3, 11):
        code = code.replace(co_qualname=name)
    try:
        exec(code, {"stop": _Stop, "__name__": "__main__", "__file__": filename})  # noqa: S102 - it only raises
    except _Stop as stopped:
        here = stopped.__traceback__
        while here is not None and here.tb_next is not None:
            here = here.tb_next
        if here is not None:
            return TracebackType(inner, here.tb_frame, here.tb_lasti, line)
    raise AssertionError("code that raises has raised")


class _Stop(Exception):
    """Raised to get hold of a frame."""
