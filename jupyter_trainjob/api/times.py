"""Times of the API: RFC 3339 as text, moments as `datetime`, unix seconds, in which reconcilers and views reckon."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Final

_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$", re.IGNORECASE)
_FRACTION: Final = re.compile(r"\.\d+")


def timestamp(moment: datetime | float | None = None) -> str:
    """Return a moment, or unix seconds (now by default), as the API writes it: UTC, whole seconds."""
    if not isinstance(moment, datetime):
        moment = datetime.now(timezone.utc) if moment is None else datetime.fromtimestamp(moment, timezone.utc)
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: Any) -> datetime | None:
    """Return the moment that the API wrote, or None if there is none."""
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None


def seconds(stamp: str) -> float:
    """Return a time, with any number of digits behind the second, in unix seconds; 0.0 for what is none."""
    match = _STAMP.match(stamp)
    if match is None:
        return 0.0
    whole, fraction, zone = match.groups()
    return datetime.fromisoformat(whole + zone.upper().replace("Z", "+00:00")).timestamp() + float(fraction or 0)


def whole_second(stamp: str) -> str:
    """Return the second that a time lies in, as the ``sinceTime`` of a log request takes it."""
    return timestamp(seconds(_FRACTION.sub("", stamp)))
