"""Names and compiled code that belong to IPython and are never sent."""

from __future__ import annotations
import __future__

import io
import re
from collections.abc import Mapping
from typing import Any, Final

_HISTORY: Final = re.compile(r"(?:_{1,3}|_i{1,3}|_i?\d+|_[io]h|_dh|_sh|_exit_code|In|Out)\Z")
_HELPERS: Final = frozenset({"get_ipython", "exit", "quit"})
_DUNDERS: Final = frozenset(
    {"__builtins__", "__builtin__", "__name__", "__doc__", "__loader__", "__spec__", "__package__"}
)


def is_history(name: str) -> bool:
    """Whether `name` is one of IPython's input or output history, such as ``_`` and ``Out``."""
    return name != "_exit_code" and _HISTORY.match(name) is not None


def is_ipython_owned(name: str, value: Any) -> bool:
    """Whether IPython or Python itself put `name` into the namespace."""
    if name in ("In", "Out"):
        return isinstance(value, (list, dict))  # A user's class may have this name.
    if name in _DUNDERS or _HISTORY.match(name):
        return True
    if name == "open":  # IPython's wrapper of Python's.
        return getattr(value, "__wrapped__", None) is io.open
    return name in _HELPERS and _module_name(value).split(".")[0] in ("IPython", "ipykernel")


def future_features(namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names imported from ``__future__`` by earlier cells: IPython compiles later ones with them."""
    shell = namespace.get("get_ipython")
    if shell is None or not is_ipython_owned("get_ipython", shell):
        return ()
    flags = shell().compile.flags
    return tuple(name for name in __future__.all_feature_names if flags & getattr(__future__, name).compiler_flag)


def _module_name(value: Any) -> str:
    return str(getattr(value, "__module__", None) or type(value).__module__)
