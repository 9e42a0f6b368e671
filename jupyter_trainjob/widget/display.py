"""Find the function that displays outputs in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Display = Callable[..., Any]
"""``IPython.display.display``, or a function with the same parameters."""


def notebook_display() -> Display | None:
    """Return IPython's display function in a kernel, None elsewhere. Imports IPython only if it is loaded already."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.core.display_functions import display

    display_function: Display = display
    return display_function
