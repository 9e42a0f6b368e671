"""List what a function's code object holds: nested code objects and texts. Nothing is run."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator


def nested_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code of the functions, classes and comprehensions directly inside some code."""
    yield from (constant for constant in code.co_consts if isinstance(constant, types.CodeType))


def all_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield some code, then all nested code, from the outside in."""
    yield code
    for nested in nested_codes(code):
        yield from all_codes(nested)


def instruction_names(code: types.CodeType) -> Iterator[str]:
    """Yield the names of the instructions of some code, without nested code."""
    yield from (instruction.opname for instruction in dis.get_instructions(code))


def string_constants(code: types.CodeType) -> Iterator[str]:
    """Yield the string constants of some code and of all nested code."""
    for nested in all_codes(code):
        yield from (constant for constant in nested.co_consts if isinstance(constant, str))
