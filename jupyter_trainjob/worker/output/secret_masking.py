"""Provide the values of ``--secret`` to the cell, and mask them in its output.

The values are in environment variables. Output of this process to its standard streams and its messages about
exceptions are masked; output of other programs, and what the cell returns or writes to files, is not.
"""

from __future__ import annotations

import os
import re
from typing import Final

from ..manifest import Manifest

MASK: Final = "***"
SHORTEST: Final = 6
"""Minimum length of a value, or of a line of it, that is masked: shorter ones occur in any text."""
_values: dict[str, str] = {}
_texts: list[re.Pattern[str]] = []
_bytes: list[re.Pattern[bytes]] = []


def load_secrets(manifest: Manifest) -> None:
    """Read the values from the environment."""
    secrets = {secret: os.environ.get(secret.env) for secret in manifest.secrets}
    _values.update({secret.name: value for secret, value in secrets.items() if secret.variable and value is not None})
    lines = {line for value in secrets.values() if value for line in (value, *value.splitlines())}
    # The longest first: one value may be a prefix of another.
    parts = [re.escape(line) for line in sorted(lines, key=len, reverse=True) if len(line) >= SHORTEST]
    if parts:
        pattern = "|".join(parts)
        _texts.append(re.compile(pattern))
        _bytes.append(re.compile(pattern.encode(errors="surrogateescape")))


def secret_variables() -> dict[str, str]:
    """Return the values that are variables of the notebook, by name."""
    return dict(_values)


def mask(text: str) -> str:
    """Return a text with the values masked."""
    for pattern in _texts:
        text = pattern.sub(MASK, text)
    return text


def mask_bytes(data: bytes) -> bytes:
    """Return output with the values masked."""
    for pattern in _bytes:
        data = pattern.sub(MASK.encode(), data)
    return data
