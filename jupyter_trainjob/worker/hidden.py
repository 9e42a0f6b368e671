"""The values of ``--secret`` in a job: names of the cell again, and three asterisks where the job would print one.

They come as environment variables. What this process writes through its standard streams, and what it says of an
exception, goes through `mask`; what other programs write by themselves, and what the cell returns or puts into files,
is the cell's own doing.
"""

from __future__ import annotations

import os
import re
from typing import Final

from .manifest import Manifest

MASK: Final = "***"
SHORTEST: Final = 6
"""Characters of a value, or of a line of it, that is looked for: a shorter one stands in any text."""
_values: dict[str, str] = {}
_texts: list[re.Pattern[str]] = []
_bytes: list[re.Pattern[bytes]] = []


def begin(manifest: Manifest) -> None:
    """Take the values from the environment."""
    found = {secret: os.environ.get(secret.env) for secret in manifest.secrets}
    _values.update({secret.name: value for secret, value in found.items() if secret.variable and value is not None})
    lines = {line for value in found.values() if value for line in (value, *value.splitlines())}
    # The longest first: one value may begin another.
    parts = [re.escape(line) for line in sorted(lines, key=len, reverse=True) if len(line) >= SHORTEST]
    if parts:
        pattern = "|".join(parts)
        _texts.append(re.compile(pattern))
        _bytes.append(re.compile(pattern.encode(errors="surrogateescape")))


def values() -> dict[str, str]:
    """Return the notebook's variables among them."""
    return dict(_values)


def mask(text: str) -> str:
    """Return a text without them."""
    for pattern in _texts:
        text = pattern.sub(MASK, text)
    return text


def mask_bytes(data: bytes) -> bytes:
    """Return what is about to be written without them."""
    for pattern in _bytes:
        data = pattern.sub(MASK.encode(), data)
    return data
