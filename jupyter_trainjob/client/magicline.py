"""The line of ``%%trainjob``, written for somebody: for who copies a job as a cell, and by the form of a new one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from jupyter_trainjob import errors
from jupyter_trainjob.constants import MAGIC


def line(words: Sequence[str]) -> str:
    """Return the line with these words: quoted for its parser, with braces that IPython does not fill in.

    Raises `errors.UsageError` for a word that no such line can hold.
    """
    for word in words:
        # IPython counts the quotation marks of the whole line to see whether a dollar sign stands within them.
        if "\n" in word or "\r" in word or ("'" in word and any("$" in each for each in words)):
            raise errors.UsageError(
                f"{word!r} cannot stand in the line of a magic: with line breaks, or a quotation mark and a dollar "
                "sign, IPython reads something else. Set it inside the cell; a job that was sent can be copied as YAML "
                "or sent again with rerun()."
            )
    return " ".join([MAGIC, *(re.sub(r"[{}]", lambda brace: brace[0] * 2, shlex.quote(word)) for word in words)])
