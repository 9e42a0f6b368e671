"""Write the line of ``%%trainjob`` for given options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from jupyter_trainjob import errors
from jupyter_trainjob.constants import MAGIC


def magic_line(words: Sequence[str]) -> str:
    """Return the line with these words, quoted for its parser and escaped for IPython's ``{}`` expansion.

    Raises `errors.UsageError` for a word that a magic line cannot contain.
    """
    for word in words:
        # IPython counts the quotation marks of the whole line to decide whether a dollar sign is quoted.
        if "\n" in word or "\r" in word or ("'" in word and any("$" in other for other in words)):
            raise errors.UsageError(
                f"{word!r} cannot be written in the line of a magic: with line breaks, or a quotation mark and a "
                "dollar sign, IPython reads something else. Set it inside the cell; a job that was sent can be copied "
                "as YAML or sent again with rerun()."
            )
    return " ".join([MAGIC, *(re.sub(r"[{}]", lambda brace: brace[0] * 2, shlex.quote(word)) for word in words)])
