"""Kubernetes quantities: ``500m`` processors, ``4Gi`` of memory, exactly.

Values are exact fractions, since ``0.1`` and ``100m`` are the same amount
(https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity).
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


def parse_quantity(quantity: str | float | None) -> Fraction:
    """Return the exact amount; ValueError if `quantity` is not a Kubernetes quantity. None is zero, as in Go.

    >>> parse_quantity("500m"), parse_quantity("4Ki")
    (Fraction(1, 2), Fraction(4096, 1))
    """
    if quantity is None:
        return Fraction(0)
    match = _WORDS.fullmatch(str(quantity).strip())
    if match is None or (match[3] or "") not in _SUFFIXES:
        message = f"{quantity!r} is not a quantity: write a number, with one of m, k, M, G, T, Ki, Mi, Gi, Ti if needed"
        raise ValueError(message)
    amount = Fraction(match[1])
    return amount * Fraction(f"1{match[2]}") if match[2] else amount * _SUFFIXES[match[3] or ""]


def canonicalize(quantity: str) -> str:
    """Return a quantity as the API server stores it (``Quantity.CanonicalizeBytes``).

    >>> canonicalize("0.5"), canonicalize("2048Ki")
    ('500m', '2Mi')
    """
    amount = parse_quantity(quantity)
    if not amount:
        return "0"
    nanos = abs(amount) * 10**9
    sign, whole = "-" if amount < 0 else "", Fraction(math.ceil(nanos), 10**9)
    match = _WORDS.fullmatch(quantity)
    if match and match[3] in _BINARY and whole >= 1024 and whole.denominator == 1:
        return sign + format_amount(whole, binary=True)
    if match and match[2]:
        power = 0
        while whole.denominator != 1:
            whole, power = whole * 1000, power - 3
        while whole % 1000 == 0:
            whole, power = whole / 1000, power + 3
        return f"{sign}{whole.numerator}" + (f"e{power}" if power else "")
    return sign + format_amount(whole)


def format_amount(amount: Fraction | int, *, binary: bool = False) -> str:
    """Return the shortest quantity of `amount` without a fraction; `binary` prefers Ki, Mi, Gi if they fit.

    >>> format_amount(2048), format_amount(2048, binary=True)
    ('2048', '2Ki')
    """
    if binary and amount == math.floor(amount):
        for suffix, factor in reversed(_BINARY.items()):
            if amount and amount % factor == 0:
                return f"{amount // factor}{suffix}"
    for suffix in reversed(_DECIMAL):
        scaled = Fraction(amount) / _SUFFIXES[suffix]
        if amount and scaled.denominator == 1:
            return f"{scaled.numerator}{suffix}"
    return "0" if not amount else f"{math.ceil(Fraction(amount) * 10**9)}n"


def parse_amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    """Parse the values of a ``requests``, ``limits``, ``capacity`` or ``allocatable`` map."""
    return {name: parse_quantity(quantity) for name, quantity in (quantities or {}).items()}


def sum_amounts(parts: Iterable[Mapping[str, Fraction]]) -> Amounts:
    """Add amounts, resource by resource."""
    result: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            result[name] = result.get(name, Fraction(0)) + amount
    return result


def pod_requests(spec: Mapping[str, Any]) -> Amounts:
    """Return the effective requests of a pod (component-helpers' ``PodRequests``).

    That is the sum over its containers, or the maximum that its init containers need if that is larger: they run one
    after the other, beside those that stay (``restartPolicy: Always``). Limits have been copied to requests at
    admission.
    """
    staying: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        needed = sum_amounts([staying, _requests(container)])
        if container.get("restartPolicy") == "Always":
            staying = needed
        peak = _maximum(peak, needed)
    running = sum_amounts([staying, *(_requests(container) for container in spec.get("containers") or ())])
    return sum_amounts([_maximum(peak, running), parse_amounts(spec.get("overhead"))])


def _requests(container: Mapping[str, Any]) -> Amounts:
    return parse_amounts((container.get("resources") or {}).get("requests"))


def _maximum(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Fraction(0)), other.get(name, Fraction(0))) for name in {**one, **other}}
