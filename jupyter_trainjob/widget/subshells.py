"""Handle the messages of a front end while a cell runs, with ipykernel's subshells.

A front end sends its requests to a subshell, a kernel thread beside the one that runs cells. Since 7.4, ipykernel
forwards them to the (sub)shell that last sent on the comm instead; messages of our threads count as the main shell's,
so every request would wait for the cell. This module makes a comm use the subshell that the message names.
"""

from __future__ import annotations

from typing import Any

_ROUTE = "_reply_subshell_for"


def route_by_requested_subshell(comm: Any) -> None:
    """Deliver messages on `comm` to the subshell that they name."""
    if hasattr(comm, _ROUTE):
        setattr(comm, _ROUTE, _requested_subshell)


def _requested_subshell(_: Any, requested: str | None) -> str | None:
    return requested
