"""What looks like a password or a key among what travels: told before anything is sent, by name and kind only.

In: the captured values, the text of the cell, and the variables of ``--env``. Out: what was found, and notes on it; the
value itself is never in them. The patterns are those with which services mark their keys, so that what is found is
nearly always one; anything else must both be called like a secret and look random. Looked at are strings, also those in
dicts, lists and tuples, to a bounded number.
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from jupyter_trainjob.bundle.capture import Capture

LOOKED_AT: Final = 5_000
"""How many items are looked at in one value, the outer ones first; one that holds itself has no end."""
LENGTH: Final = 16 * 2**10
"""Characters that are looked at of a captured string."""

KINDS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("private key", r"-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----"),
        ("AWS access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
        ("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})\b"),
        ("Hugging Face token", r"\bhf_[A-Za-z0-9]{34,}\b"),
        ("Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
        ("OpenAI key", r"\bsk-(?!ant-)(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}|[A-Za-z0-9]{48}\b)"),
        ("Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{20,}"),
        ("Google API key", r"\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
        ("JSON Web Token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        ("URL with a password", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"{}<>$]{1,100}:[^\s/@'\"{}<>$]{3,200}@[\w.-]"),
    )
)
_TELLING: Final = re.compile(
    r"(?:^|_)(?:password|passwd|secret|token|api_?key|access_?key|secret_?key|credentials?)s?$"
)
_WORD: Final = re.compile(r"[A-Za-z0-9+/=_.-]{16,512}")
_ASSIGNED: Final = re.compile(r"""\b([A-Za-z_]\w{0,60})["']?\]?\s*[=:]\s*[rbu]?["']([^"'\n]{16,512})["']""")
_RANDOM: Final = 3.5
"""Bits for each character from which on a text counts as random; words have less."""


class Found(NamedTuple):
    """Something that looks like a credential."""

    where: str
    """``settings['token']``, ``Cell [3], line 2``."""
    kind: str


def kind_of(name: str, text: str) -> str:
    """Return what kind of credential the text called `name` looks like, empty if like none."""
    for kind, pattern in KINDS:
        if pattern.search(text):
            return kind
    return "secret, by its name" if _TELLING.search(name.lower()) and _is_random(text) else ""


def in_values(values: Mapping[str, Any]) -> list[Found]:
    """Return what looks like credentials in captured values, the same string once."""
    found, seen = [], set()
    for name, value in values.items():
        for where, called, text in _strings(name, value):
            if text not in seen and (kind := kind_of(called, text[:LENGTH])):
                seen.add(text)
                found.append(Found(where, kind))
    return found


def in_source(text: str, filename: str) -> list[Found]:
    """Return what looks like credentials in the text of a cell, at most one for each line."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        kind = kind_of("", line) or next(filter(None, (kind_of(*each) for each in _ASSIGNED.findall(line))), "")
        if kind:
            found.append(Found(f"{filename}, line {number}", kind))
    return found


def in_env(variables: Mapping[str, str]) -> list[Found]:
    """Return what looks like credentials among environment variables."""
    kinds = ((name, kind_of(name, str(value))) for name, value in variables.items())
    return [Found(f"--env {name}", kind) for name, kind in kinds if kind]


def notes(capture: Capture, variables: Mapping[str, str]) -> list[str]:
    """Return what to tell of credentials in a job that is about to be sent."""
    told = []
    if capture.credentials:
        told.append(
            f"Looks like a credential: {_listed(capture.credentials)}. It travels and is kept with the job, for all "
            "who may read Secrets of its namespace. Read it from a file or a service inside the cell instead."
        )
    if found := in_env(variables):
        told.append(
            f"Looks like a credential: {_listed(found)}. Variables of --env stand in the TrainJob, for all who may "
            "read it. Read it from a file or a service inside the cell instead."
        )
    return told


def _listed(found: list[Found] | tuple[Found, ...]) -> str:
    first = ", ".join(f"{each.where} ({each.kind})" for each in found[:5])
    return first if len(found) <= 5 else f"{first} and {len(found) - 5} more"


def _strings(name: str, value: Any) -> Iterator[tuple[str, str, str]]:
    """Yield strings with the way to each and what they are called, from plain containers: nobody's code runs."""
    waiting = deque([(name, name, value)])
    for _ in range(LOOKED_AT):
        if not waiting:
            return
        where, called, value = waiting.popleft()
        room = LOOKED_AT - len(waiting)
        if type(value) is str:
            yield where, called, value
        elif type(value) is bytes:
            yield where, called, value[:LENGTH].decode("latin-1")
        elif type(value) is dict:
            for number, (key, item) in enumerate(islice(value.items(), room), start=1):
                # A key may itself be a secret; then it is not shown.
                plain = type(key) is str and key.isidentifier() and len(key) <= 40 and not kind_of("", key)
                waiting.append((f"{where}[{key!r}]" if plain else f"{where}[key {number}]", key if plain else "", item))
        elif type(value) in (list, tuple):
            waiting.extend((f"{where}[{index}]", called, item) for index, item in enumerate(value[:room]))


def _is_random(text: str) -> bool:
    if not _WORD.fullmatch(text) or not re.search(r"[0-9]", text) or not re.search(r"[A-Za-z]", text):
        return False
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts) >= _RANDOM
