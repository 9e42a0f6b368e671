"""Carry process-wide settings that change results (decimal context, NumPy errors, …) into the job.

Read when the job is packed, set before the cell runs; a setting with its default value is not sent. Included are the
global settings of Python and libraries that change numerical results, not those of formatting.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple


class _Setting(NamedTuple):
    module: str
    """Module of the setting; it is at its default while the module is not imported."""
    read: Callable[[Any], Any]
    """Takes the module; returns a JSON value."""
    write: Callable[[Any, Any], object]
    default: Any


_SETTINGS: Final = {
    "recursion limit": _Setting("sys", lambda m: m.getrecursionlimit(), lambda m, v: m.setrecursionlimit(v), 1000),
    "digits of an int": _Setting(
        "sys",
        lambda m: m.get_int_max_str_digits() if hasattr(m, "get_int_max_str_digits") else 4300,
        lambda m, v: m.set_int_max_str_digits(v),
        4300,
    ),
    "decimal": _Setting(
        "decimal",
        lambda m: [m.getcontext().prec, m.getcontext().rounding],
        lambda m, v: m.setcontext(m.Context(prec=v[0], rounding=v[1])),
        [28, "ROUND_HALF_EVEN"],
    ),
    "numpy errors": _Setting(
        "numpy",
        lambda m: m.geterr(),
        lambda m, v: m.seterr(**v),
        {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"},
    ),
    "torch dtype": _Setting(
        "torch",
        lambda m: str(m.get_default_dtype()).removeprefix("torch."),
        lambda m, v: m.set_default_dtype(getattr(m, v)),
        "float32",
    ),
    "torch gradients": _Setting(
        "torch", lambda m: m.is_grad_enabled(), lambda m, v: m.autograd.grad_mode.set_grad_enabled(v), True
    ),
    "torch determinism": _Setting(
        "torch",
        lambda m: m.are_deterministic_algorithms_enabled(),
        lambda m, v: m.use_deterministic_algorithms(v),
        False,
    ),
    "torch matmul": _Setting(
        "torch",
        lambda m: m.get_float32_matmul_precision(),
        lambda m, v: m.set_float32_matmul_precision(v),
        "highest",
    ),
}


def changed_settings() -> dict[str, Any]:
    """Return the settings of this process that differ from their defaults."""
    settings = {}
    for name, (module, read, _, default) in _SETTINGS.items():
        if module in sys.modules:
            with contextlib.suppress(
                AttributeError
            ):  # Another version of the library, or a module that is being imported.
                value = read(sys.modules[module])
                if value != default:
                    settings[name] = value
    return settings


def install(settings: dict[str, Any]) -> None:
    """Apply the notebook's settings, as far as the libraries are installed."""
    for name, value in settings.items():
        if name in _SETTINGS:
            with contextlib.suppress(ImportError, AttributeError):
                _SETTINGS[name].write(importlib.import_module(_SETTINGS[name].module), value)
