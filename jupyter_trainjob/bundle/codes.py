"""What a function's code object holds: the code of functions within it, and its texts. Nothing is run."""

from __future__ import annotations

import types
from collections.abc import Iterator


def within(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code of the functions, classes and comprehensions right within some code."""
    yield from (each for each in code.co_consts if isinstance(each, types.CodeType))


def every(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield some code, then all that is within it, from the outside in."""
    yield code
    for each in within(code):
        yield from every(each)


def texts(code: types.CodeType) -> Iterator[str]:
    """Yield the strings among the constants of some code and of all within it."""
    for each in every(code):
        yield from (constant for constant in each.co_consts if isinstance(constant, str))
