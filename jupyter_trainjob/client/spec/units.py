"""Parse amounts as users write them (``4Gi``, ``0.5``, ``2h30m``) into values of the API.

Pure. Ambiguous amounts are rejected with the unambiguous form, since ``--memory 4`` would be four bytes.
"""

from __future__ import annotations

import re
from datetime import timedelta

from jupyter_trainjob import errors
from jupyter_trainjob.api import quantity

LEAST_MEMORY = 2**20
LEAST_CPU_MILLIS = 1
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_WORDS = re.compile(r"(?:days?|hours?|hrs?|minutes?|mins?|seconds?|secs?)(?=\d|$)")
"""Units in full."""
_MISSPELT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])i?b?", re.IGNORECASE)


def memory(value: str | int) -> str:
    """Return an amount of memory as a quantity of the API; a number counts bytes."""
    text = "".join(str(value).split())
    try:
        amount = quantity.parse_quantity(text)
    except ValueError:
        amount = None
    if amount is not None and amount >= LEAST_MEMORY and amount.denominator == 1:
        return text
    meant = _MISSPELT.fullmatch(text)
    example = f"{meant[1]}{meant[2].upper()}i" if meant else f"{text}Gi" if text.isdigit() else "4Gi"
    why = "is not an amount of memory" if amount is None else "is less than 1 MiB of memory"
    raise errors.UsageError(f"memory {text!r} {why}: write {example}, with one of Mi, Gi, Ti.")


def cpus(value: str | float) -> str:
    """Return a number of CPUs as a quantity of the API."""
    text = str(value).strip()
    try:
        amount = quantity.parse_quantity(text)
    except ValueError:
        amount = None
    if isinstance(value, bool) or amount is None or amount * 1000 < LEAST_CPU_MILLIS or (amount * 1000) % 1:
        raise errors.UsageError(
            f"cpus must be a number of CPUs, in thousandths at the finest, such as 4, 0.5 or 500m, not {text!r}."
        )
    return quantity.format_amount(amount)


def duration(value: str | float | timedelta, option: str = "deadline") -> int:
    """Return a duration in whole seconds; a number counts seconds, text needs units. Errors name `option`."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value >= 1:
            return int(value)
        raise errors.UsageError(f"{option} must be at least one second, not {value!r}.")
    text = _WORDS.sub(lambda unit: unit[0][0], str(value).strip().lower().replace(" ", ""))
    match = _SPAN.fullmatch(text)
    parts = match.groups() if match else ()
    seconds = sum(int(part) * size for part, size in zip(parts, _UNITS.values(), strict=False) if part)
    if seconds:
        return seconds
    example = f"{text}m or {text}s" if text.isdigit() and int(text) else "45m, 2h or 1d12h"
    raise errors.UsageError(f"{option} {value!r} is not a length of time: write {example}.")


def format_duration(seconds: float) -> str:
    """Return a duration as text that `duration` parses: ``2h30m``."""
    rest, words = int(seconds), ""
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        words += f"{count}{unit}" if count else ""
    return words or "0s"


def join_amount(option: str, text: str) -> str:
    """Return an amount of several words, as in ``4 Gi``, in the form for `option`; empty if it is none."""
    try:
        if option in ("deadline", "linger"):
            return format_duration(duration(text))
    except errors.UsageError:
        return ""
    meant = _MISSPELT.fullmatch(text) if option == "memory" else None
    return f"{meant[1]}{meant[2].upper()}i" if meant else ""


def format_bytes(count: int) -> str:
    """Return a number of bytes as text with at least two digits: ``1.2 MB``."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
