"""Amounts as users write them: ``4Gi`` of memory, ``0.5`` CPUs, ``2h30m``. Text or numbers in, what the API takes out.

Pure; whatever could be meant in two ways is refused with the way to write it, since ``--memory 4`` would be four bytes.
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
_MISSPELT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])i?b?", re.IGNORECASE)


def memory(wish: str | int) -> str:
    """Return an amount of memory as the API takes it; a number counts bytes."""
    text = str(wish).strip()
    try:
        amount = quantity.parse(text)
    except ValueError:
        amount = None
    if amount is not None and amount >= LEAST_MEMORY and amount.denominator == 1:
        return text
    meant = _MISSPELT.fullmatch(text)
    example = f"{meant[1]}{meant[2].upper()}i" if meant else f"{text}Gi" if text.isdigit() else "4Gi"
    why = "is not an amount of memory" if amount is None else "is less than 1 MiB of memory"
    raise errors.UsageError(f"memory {text!r} {why}: write {example}, with one of Mi, Gi, Ti.")


def cpus(wish: str | float) -> str:
    """Return a number of CPUs as the API takes it."""
    text = str(wish).strip()
    try:
        amount = quantity.parse(text)
    except ValueError:
        amount = None
    if isinstance(wish, bool) or amount is None or amount * 1000 < LEAST_CPU_MILLIS or (amount * 1000) % 1:
        raise errors.UsageError(
            f"cpus must be a number of CPUs, in thousandths at the finest, such as 4, 0.5 or 500m, not {text!r}."
        )
    return quantity.canonical(amount)


def duration(wish: str | float | timedelta) -> int:
    """Return a length of time in whole seconds; a number counts seconds, text needs its units."""
    if isinstance(wish, timedelta):
        wish = wish.total_seconds()
    if isinstance(wish, (int, float)) and not isinstance(wish, bool):
        if wish >= 1:
            return int(wish)
        raise errors.UsageError(f"deadline must be at least one second, not {wish!r}.")
    text = str(wish).strip().replace(" ", "")
    match = _SPAN.fullmatch(text)
    parts = match.groups() if match else ()
    found = sum(int(part) * size for part, size in zip(parts, _UNITS.values(), strict=False) if part)
    if found:
        return found
    example = f"{text}m or {text}s" if text.isdigit() and int(text) else "45m, 2h or 1d12h"
    raise errors.UsageError(f"deadline {wish!r} is not a length of time: write {example}.")


def span(seconds: float) -> str:
    """Return a length of time in words that `duration` reads: ``2h30m``."""
    rest, words = int(seconds), ""
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        words += f"{count}{unit}" if count else ""
    return words or "0s"
