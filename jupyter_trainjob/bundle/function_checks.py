"""Check a submitted function and the arguments of its call before anything is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_trainjob.errors import UsageError


def check_call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], *, name: str) -> None:
    """Raise `errors.UsageError` for a call of `fn`, called `name` in the message, that would fail or do nothing."""
    _check_is_no_generator(fn, name)
    _check_arguments(fn, args, kwargs, name)


def _check_is_no_generator(fn: Callable[..., Any], name: str) -> None:
    """Reject a function with ``yield``: a call runs none of its lines, and a generator cannot be pickled."""
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        whole = f"[each async for each in {name}(...)]" if inspect.isasyncgenfunction(fn) else f"list({name}(...))"
        raise UsageError(
            f"{name} is a function with yield: calling it runs none of its lines, so the job would do nothing. Send a "
            f"function that runs it to its end, such as one that returns {whole}, or return the values in "
            "place of yield. Nothing was sent."
        )


def _check_arguments(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str) -> None:
    """Reject arguments that the function does not take: every rank would fail with them."""
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return  # Some built-in functions have none.
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise UsageError(
            f"{name}() cannot be called with these arguments: {error}. Pass positional arguments after the function in "
            "submit(), and keyword arguments as kwargs={…}. Nothing was sent."
        ) from None
