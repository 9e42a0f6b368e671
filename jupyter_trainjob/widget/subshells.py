"""Lets a page be heard while a cell runs.

A page sends what it asks to a subshell of the kernel, a thread beside the one that runs cells. ipykernel from 7.4 sends
it on to the (sub)shell that last spoke on that comm instead; and what a thread of ours says counts as said by the main
one, so every request would wait for the cell. Where a comm has such a route, the page's own choice is put in its place.
"""

from __future__ import annotations

from typing import Any

_ROUTE = "_reply_subshell_for"


def let_pages_choose(comm: Any) -> None:
    """Have messages on `comm` go to the subshell that the page names."""
    if hasattr(comm, _ROUTE):
        setattr(comm, _ROUTE, _as_asked)


def _as_asked(_: Any, asked: str | None) -> str | None:
    return asked
