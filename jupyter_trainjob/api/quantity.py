"""Kubernetes quantities: ``500m`` processors, ``4Gi`` of memory, exactly.

Used wherever requests are checked, compared or added: `pods`, the scheduler, the controller's plugins. Values are
fractions, because ``0.1`` and ``100m`` are the same amount and floats do not know that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

Amounts = dict[str, Fraction]
"""Amounts by resource name, as in ``{"cpu": 2, "memory": 4294967296}``."""

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIXES = {suffix: Fraction(factor) for suffix, factor in _BINARY.items()} | {
    suffix: Fraction(f"1e{power}") for suffix, power in _DECIMAL.items()
}
_WORDS = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([A-Za-z]*))")


def parse(quantity: str | float) -> Fraction:
    """Return the exact amount; ValueError if `quantity` is not written as Kubernetes writes quantities."""
    match = _WORDS.fullmatch(str(quantity).strip())
    if match is None or (match[3] or "") not in _SUFFIXES:
        message = f"{quantity!r} is not a quantity: write a number, with one of m, k, M, G, T, Ki, Mi, Gi, Ti if needed"
        raise ValueError(message)
    amount = Fraction(match[1])
    return amount * Fraction(f"1{match[2]}") if match[2] else amount * _SUFFIXES[match[3] or ""]


def canonical(amount: Fraction | int, *, binary: bool = False) -> str:
    """Return the shortest way to write `amount` without a fraction; `binary` prefers Ki, Mi, Gi where they fit."""
    if binary and amount == math.floor(amount):
        for suffix, factor in reversed(_BINARY.items()):
            if amount and amount % factor == 0:
                return f"{amount // factor}{suffix}"
    for suffix in reversed(_DECIMAL):
        scaled = Fraction(amount) / _SUFFIXES[suffix]
        if amount and scaled.denominator == 1:
            return f"{scaled.numerator}{suffix}"
    return "0" if not amount else f"{math.ceil(Fraction(amount) * 10**9)}n"


def amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    """Parse the values of a ``requests``, ``limits``, ``capacity`` or ``allocatable`` map."""
    return {name: parse(quantity) for name, quantity in (quantities or {}).items()}


def total(parts: Iterable[Mapping[str, Fraction]]) -> Amounts:
    """Add amounts, resource by resource."""
    result: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            result[name] = result.get(name, Fraction(0)) + amount
    return result


def pod_requests(spec: Mapping[str, Any]) -> Amounts:
    """Return what a pod asks of its node (component-helpers' PodRequests).

    That is the sum over its containers, or the most that starting them needs: init containers run one after the other,
    beside those that stay (``restartPolicy: Always``). A pod that came in has requests wherever it has limits.
    """
    staying: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        needed = total([staying, _requests(container)])
        if container.get("restartPolicy") == "Always":
            staying = needed
        peak = _most(peak, needed)
    running = total([staying, *(_requests(container) for container in spec.get("containers") or ())])
    return total([_most(peak, running), amounts(spec.get("overhead"))])


def _requests(container: Mapping[str, Any]) -> Amounts:
    return amounts((container.get("resources") or {}).get("requests"))


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Fraction(0)), other.get(name, Fraction(0))) for name in {**one, **other}}
