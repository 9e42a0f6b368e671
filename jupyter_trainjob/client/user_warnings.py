"""Show a warning to the user: as one line in a notebook, as Python's warning elsewhere.

Python prints a warning with the file and the line that caused it, and in a notebook that file is a temporary one of the
kernel. The filters of `warnings` apply in both cases.
"""

from __future__ import annotations

import sys
import warnings


def warn(warning: str | Warning, *, stacklevel: int = 1) -> None:
    """Issue a warning; `stacklevel` counts from the caller, as that of `warnings.warn` does."""
    if not _in_kernel():
        warnings.warn(warning, stacklevel=stacklevel + 1)
        return
    with warnings.catch_warnings():  # Restores `showwarning`; the filters stay as they are.
        warnings.showwarning = lambda message, *_, **__: print(f"Note: {message}")
        warnings.warn(warning, stacklevel=stacklevel + 1)


def _in_kernel() -> bool:
    ipython = sys.modules.get("IPython")  # Not imported only for this check.
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None
