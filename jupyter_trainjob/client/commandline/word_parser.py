"""Let argparse parse the value of an option by the option's type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.client.spec.option_types import OptionType


@dataclass(frozen=True)
class WordParser:
    """The ``type`` of an argument: parses one word of an option."""

    flag: str
    type: OptionType

    def __call__(self, word: str) -> Any:
        """Return the value of a word; raises `errors.UsageError`."""
        return self.type.parse_word(self.flag, word)
