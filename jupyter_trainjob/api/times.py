"""Convert between times of the API (RFC 3339), `datetime` and unix seconds."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Final

_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$", re.IGNORECASE)
_FRACTION: Final = re.compile(r"\.\d+")


def timestamp(moment: datetime | float | None = None) -> str:
    """Return a time (default: now) as the API writes it: UTC, whole seconds.

    >>> timestamp(0)
    '1970-01-01T00:00:00Z'
    """
    if not isinstance(moment, datetime):
        moment = datetime.now(timezone.utc) if moment is None else datetime.fromtimestamp(moment, timezone.utc)
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: Any) -> datetime | None:
    """Parse a time of the API; None for an empty one."""
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None


def unix_seconds(stamp: str) -> float:
    """Return a time, with any number of fractional digits, in unix seconds; 0.0 for an invalid one.

    >>> unix_seconds("1970-01-01T00:01:00.5Z")
    60.5
    """
    match = _STAMP.match(stamp)
    if match is None:
        return 0.0
    whole, fraction, zone = match.groups()
    return datetime.fromisoformat(whole + zone.upper().replace("Z", "+00:00")).timestamp() + float(fraction or 0)


def format_age(seconds: float) -> str:
    """Return a duration in kubectl's short form (apimachinery's ``HumanDuration``).

    >>> format_age(41), format_age(303), format_age(187_200)
    ('41s', '5m3s', '2d4h')
    """
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m" + (f"{whole % 60}s" if whole % 60 else "")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + (f"{minutes % 60}m" if minutes % 60 else "")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d" + (f"{hours % 24}h" if hours % 24 else "")
    return f"{days}d" if days < 730 else f"{days // 365}y"


def whole_second(stamp: str) -> str:
    """Return a time without its fraction, for the ``sinceTime`` of a log request."""
    return timestamp(unix_seconds(_FRACTION.sub("", stamp)))
