"""Carry process-wide settings (warning filters, decimal context, NumPy errors, umask, …) into the job.

Read when the job is packed, set before the cell runs; a setting with its default value is not sent. Included are the
global settings of Python, NumPy, pandas, Matplotlib and torch that change what a program computes, prints or writes.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple


class _Setting(NamedTuple):
    module: str
    """Module of the setting; it is at its default while the module is not imported."""
    read: Callable[[Any], Any]
    """Takes the module; returns a JSON value."""
    write: Callable[[Any, Any], object]
    default: Any


def _arguments(sys_module: Any) -> list[str] | None:
    """Return ``sys.argv``; None if it is still that of the process."""
    argv, original = list(sys_module.argv), list(sys_module.orig_argv)
    same_program = argv[:1] and Path(argv[0]).stem in {"__main__", *(Path(word).stem for word in original)}
    return None if same_program and argv[1:] == original[len(original) - len(argv) + 1 :] else argv


def _set_arguments(sys_module: Any, argv: list[str]) -> None:
    sys_module.argv = argv


def _umask(os_module: Any) -> int:
    mask: int = os_module.umask(0o077)
    os_module.umask(mask)
    return mask


_CATEGORIES: Final = ("LC_COLLATE", "LC_MONETARY", "LC_NUMERIC", "LC_TIME")


def _locale(locale: Any) -> dict[str, str]:
    """Return the categories that differ from the locale of a new process."""
    current = {name: locale.setlocale(getattr(locale, name)) for name in _CATEGORIES}
    return {name: value for name, value in current.items() if value != "C"}


def _set_locale(locale: Any, categories: dict[str, str]) -> None:
    for name, value in categories.items():
        with contextlib.suppress(locale.Error):  # This system does not have it.
            locale.setlocale(getattr(locale, name), value)


_DEFAULT_FILTERS: Final = [
    ["default", None, "builtins", "DeprecationWarning", "__main__", 0],
    *(["ignore", None, "builtins", name, None, 0] for name in ("DeprecationWarning", "PendingDeprecationWarning")),
    *(["ignore", None, "builtins", name, None, 0] for name in ("ImportWarning", "ResourceWarning")),
]


def _filters(module: Any) -> list[list[Any]]:
    """Return the warning filters; patterns as text, classes by their names."""
    return [
        [action, _pattern(message), category.__module__, category.__qualname__, _pattern(where), line]
        for action, message, category, where, line in module.filters
    ]


def _pattern(pattern: re.Pattern[str] | str | None) -> str | None:
    return pattern.pattern if isinstance(pattern, re.Pattern) else pattern


def _set_filters(module: Any, filters: list[list[Any]]) -> None:
    """Use the notebook's filters, and after them those that libraries have added in this process only."""
    added = [entry for entry in _filters(module) if entry not in _DEFAULT_FILTERS and entry not in filters]
    module.resetwarnings()
    for action, message, where, name, pattern, line in [*filters, *added]:
        category = getattr(sys.modules.get(where), name, None)  # A library that is not imported here cannot warn.
        if isinstance(category, type) and issubclass(category, Warning):
            module.filterwarnings(action, message or "", category, pattern or "", line, append=True)


_STYLES: Final = {"PercentStyle": "%", "StrFormatStyle": "{", "StringTemplateStyle": "$"}


def _loggers(logging: Any) -> dict[str, dict[str, Any]]:
    """Return the loggers with handlers that write to a standard stream, and the level of the root logger."""
    loggers = {"": logging.root, **logging.root.manager.loggerDict}
    configured = {}
    for name, logger in loggers.items():
        handlers = [entry for handler in getattr(logger, "handlers", ()) if (entry := _handler(logging, handler))]
        if handlers or (logger is logging.root and logger.level != logging.WARNING):
            configured[name] = {"level": logger.level, "propagate": logger.propagate, "handlers": handlers}
    return configured


def _handler(logging: Any, handler: Any) -> dict[str, Any] | None:
    """Return a handler that this module can create again, as JSON; None for others."""
    formatter = handler.formatter or logging.Formatter()
    name = next((name for name in ("stdout", "stderr") if getattr(handler, "stream", None) is getattr(sys, name)), None)
    if type(handler) is not logging.StreamHandler or type(formatter) is not logging.Formatter or name is None:
        return None
    style = _STYLES[type(formatter._style).__name__]  # noqa: SLF001 - it has no public name
    return {
        "stream": name,
        "level": handler.level,
        "format": [formatter._style._fmt, formatter.datefmt, style],  # noqa: SLF001
    }


def _set_loggers(logging: Any, loggers: dict[str, dict[str, Any]]) -> None:
    for name, entry in loggers.items():
        logger = logging.getLogger(name or None)
        logger.setLevel(entry["level"])
        logger.propagate = entry["propagate"]
        present = [_handler(logging, handler) for handler in logger.handlers]
        for fields in entry["handlers"]:
            if fields not in present:
                handler = logging.StreamHandler(getattr(sys, fields["stream"]))
                handler.setLevel(fields["level"])
                handler.setFormatter(logging.Formatter(*fields["format"]))
                logger.addHandler(handler)


_DECIMAL_FIELDS: Final = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def _decimal(module: Any) -> dict[str, Any]:
    context = module.getcontext()
    traps = sorted(signal.__name__ for signal, is_set in context.traps.items() if is_set)
    return {**{name: getattr(context, name) for name in _DECIMAL_FIELDS}, "traps": traps}


def _set_decimal(module: Any, fields: dict[str, Any]) -> None:
    traps = [getattr(module, name) for name in fields["traps"]]
    module.setcontext(module.Context(**{**fields, "traps": traps}))


_PRINT_OPTIONS: Final = {
    "edgeitems": 3,
    "threshold": 1000,
    "floatmode": "maxprec",
    "precision": 8,
    "suppress": False,
    "linewidth": 75,
    "nanstr": "nan",
    "infstr": "inf",
    "sign": "-",
}


def _pandas_options(_: Any) -> dict[str, Any]:
    """Return the options that differ from pandas' defaults; a function as an option is left out."""
    config = importlib.import_module("pandas._config.config")
    changed = {}
    for name, option in config._registered_options.items():  # noqa: SLF001 - no public function returns the defaults
        value = config.get_option(name)
        if value != option.defval and isinstance(value, (bool, int, float, str, type(None))):
            changed[name] = value
    return changed


def _set_pandas_options(pandas: Any, options: dict[str, Any]) -> None:
    for name, value in options.items():
        with contextlib.suppress(KeyError, ValueError):  # Another version of pandas.
            pandas.set_option(name, value)


def _matplotlib_parameters(matplotlib: Any) -> dict[str, Any]:
    """Return the parameters that differ from the defaults. The backend and paths belong to the process."""
    changed = {}
    for name, value in dict.items(matplotlib.rcParams):  # Reading the backend through rcParams would choose one.
        if value != matplotlib.rcParamsDefault.get(name, value) and not re.match(r"backend|interactive|datapath", name):
            changed[name] = value if isinstance(value, (bool, int, float, str, list, type(None))) else str(value)
    return changed


def _set_matplotlib_parameters(matplotlib: Any, parameters: dict[str, Any]) -> None:
    for name, value in parameters.items():
        with contextlib.suppress(KeyError, ValueError):
            matplotlib.rcParams[name] = value


_SETTINGS: Final = {
    "arguments": _Setting("sys", _arguments, _set_arguments, None),
    "recursion limit": _Setting("sys", lambda m: m.getrecursionlimit(), lambda m, v: m.setrecursionlimit(v), 1000),
    "digits of an int": _Setting(
        "sys",
        lambda m: m.get_int_max_str_digits() if hasattr(m, "get_int_max_str_digits") else 4300,
        lambda m, v: m.set_int_max_str_digits(v),
        4300,
    ),
    "umask": _Setting("os", _umask, lambda m, v: m.umask(v), 0o022),
    "locale": _Setting("locale", _locale, _set_locale, {}),
    "warnings": _Setting("warnings", _filters, _set_filters, _DEFAULT_FILTERS),
    "logging": _Setting("logging", _loggers, _set_loggers, {}),
    "decimal": _Setting(
        "decimal",
        _decimal,
        _set_decimal,
        {
            "prec": 28,
            "rounding": "ROUND_HALF_EVEN",
            "Emin": -999999,
            "Emax": 999999,
            "capitals": 1,
            "clamp": 0,
            "traps": ["DivisionByZero", "InvalidOperation", "Overflow"],
        },
    ),
    "numpy errors": _Setting(
        "numpy",
        lambda m: m.geterr(),
        lambda m, v: m.seterr(**v),
        {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"},
    ),
    "numpy printing": _Setting(
        "numpy",
        lambda m: {name: m.get_printoptions()[name] for name in _PRINT_OPTIONS},
        lambda m, v: m.set_printoptions(**v),
        _PRINT_OPTIONS,
    ),
    "pandas options": _Setting("pandas", _pandas_options, _set_pandas_options, {}),
    "matplotlib parameters": _Setting("matplotlib", _matplotlib_parameters, _set_matplotlib_parameters, {}),
    "torch dtype": _Setting(
        "torch",
        lambda m: str(m.get_default_dtype()).removeprefix("torch."),
        lambda m, v: m.set_default_dtype(getattr(m, v)),
        "float32",
    ),
    "torch device": _Setting(
        "torch", lambda m: str(m.get_default_device()), lambda m, v: m.set_default_device(v), "cpu"
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
            # Another version of the library, or a module that is being imported.
            with contextlib.suppress(AttributeError, ImportError, KeyError):
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
