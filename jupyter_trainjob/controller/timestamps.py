"""Times of the API as unix seconds, in which reconcilers reckon."""

from __future__ import annotations

from datetime import datetime, timezone

from jupyter_trainjob.api import conditions


def timestamp(seconds: float) -> str:
    """Return unix seconds as the API writes them."""
    return conditions.timestamp(datetime.fromtimestamp(seconds, timezone.utc))


def seconds_of(text: str) -> float:
    """Return unix seconds of a time that the API wrote."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
