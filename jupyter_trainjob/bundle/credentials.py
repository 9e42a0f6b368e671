"""What looks like a password or a key among what travels: told before anything is sent, by name and kind only.

In: the captured values, the text of the cell, the files that travel, and the variables of ``--env``. Out: what was
found, and notes on it; the value itself is never in them, nor in other texts about a job (`masked`). The patterns are
those with which services mark their keys, so that what is found is nearly always one; anything else must both be called
like a secret and look random. Looked at are strings, also those in dicts, lists, tuples, and in classes of the notebook
and their instances, to a bounded number.
"""

from __future__ import annotations

import functools
import math
import re
import types
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jupyter_trainjob.bundle import codes
from jupyter_trainjob.worker.hidden import MASK

if TYPE_CHECKING:
    from jupyter_trainjob.bundle.capture import Capture

LOOKED_AT: Final = 5_000
"""How many items are looked at in one value, the outer ones first; one that holds itself has no end."""
LENGTH: Final = 16 * 2**10
"""Characters that are looked at of a captured string."""
FILES: Final = 200
FILE_SIZE: Final = 256 * 2**10
"""Files, and bytes of a file, that are looked at; larger ones are data."""

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
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY[\s\S]*?(?:-----END [A-Z ]*KEY[A-Z ]*-----|\Z)")
_TELLING: Final = re.compile(
    r"(?:^|[_ ])(?:password|passwd|secret|token|api_?key|access_?key|secret_?key|credentials?)s?$"
)
_HINT: Final = re.compile(
    r"-----BEGIN|AKIA|ASIA|gh[pousr]_|github_pat|hf_|sk-|xox|AIza|eyJ|://"
    r"|[Pp]assw|PASSW|[Ss]ecret|SECRET|[Tt]oken|TOKEN|[Kk]ey|KEY|[Cc]redential|CREDENTIAL"
)
"""What a line has where it is worth a closer look: most have none of it."""
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
    for where, called, text in strings(values):
        if text not in seen and (kind := kind_of(called, text[:LENGTH])):
            seen.add(text)
            found.append(Found(where, kind))
    return found


def in_code(functions: Iterable[types.CodeType], cells: Mapping[str, str]) -> list[Found]:
    """Return what looks like credentials among the constants of functions that travel.

    `cells` maps the file names of executed code to what cells are called.
    """
    found = []
    for code in functions:
        kinds = {kind_of("", text) for text in codes.texts(code)} - {""}
        where = cells.get(code.co_filename) or Path(code.co_filename).name
        found += [Found(f"{code.co_name}() of {where}", kind) for kind in sorted(kinds)]
    return found


def in_files(files: Mapping[str, Path]) -> list[Found]:
    """Return what looks like credentials in files that travel, by what these are called; one for each file."""
    found = []
    for name, path in islice(files.items(), FILES):
        try:
            state = path.stat()
            if not path.is_file() or state.st_size > FILE_SIZE:
                continue
            kind, number = _in_file(path, state.st_mtime_ns, state.st_size)
        except (OSError, UnicodeDecodeError):  # Gone, which is said elsewhere, or no text.
            continue
        found += [Found(f"{name}, line {number}", kind)] if kind else []
    return found


@functools.lru_cache(maxsize=4 * FILES)
def _in_file(path: Path, _changed: int, _size: int) -> tuple[str, int]:
    """Return the first kind in a file and its line: read once for as long as the file stays as it is."""
    lines = enumerate(path.read_text().splitlines(), start=1)
    return next(((kind, number) for number, line in lines if (kind := _kind_of_line(line))), ("", 0))


def in_source(text: str, filename: str) -> list[Found]:
    """Return what looks like credentials in the text of a cell, at most one for each line."""
    return [
        Found(f"{filename}, line {number}", kind)
        for number, line in enumerate(text.splitlines(), start=1)
        if (kind := _kind_of_line(line))
    ]


def masked(text: str) -> str:
    """Return source text without what looks like credentials, on as many lines."""
    if not in_source(text, ""):
        return text
    for pattern in (_PRIVATE_KEY, *(pattern for _, pattern in KINDS)):
        text = pattern.sub(lambda found: MASK + "\n" * found[0].count("\n"), text)

    def without(assigned: re.Match[str]) -> str:
        return assigned[0].replace(assigned[2], MASK) if kind_of(assigned[1], assigned[2]) else assigned[0]

    return _ASSIGNED.sub(without, text)


def masked_env(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables without the values that look like credentials."""
    return {**variables, **dict.fromkeys(kinds_of(variables), MASK)}


def kinds_of(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the names of environment variables that look like credentials, with their kinds."""
    kinds = ((name, kind_of(name, str(value))) for name, value in variables.items())
    return {name: kind for name, kind in kinds if kind}


def notes(capture: Capture, variables: Mapping[str, str]) -> list[str]:
    """Return what to tell of credentials in a job that is about to be sent."""
    told = []
    if capture.credentials:
        told.append(
            f"Looks like a credential: {_listed(capture.credentials)}. It travels and is kept with the job, for all "
            "who may read Secrets of its namespace. Give it a name of its own and send that with --secret NAME."
        )
    if capture.beside:
        told.append(
            f"The value of a secret also travels within {', '.join(capture.beside[:5])}. It is kept with the values "
            "there. Make that inside the cell, from the secret's name."
        )
    if found := [Found(f"--env {name}", kind) for name, kind in kinds_of(variables).items()]:
        told.append(
            f"Looks like a credential: {_listed(found)}. Variables of --env stand in the TrainJob, for all who may "
            "read it. Send it with --secret NAME, or NAME=ENV, instead."
        )
    return told


def _listed(found: list[Found] | tuple[Found, ...]) -> str:
    first = ", ".join(f"{each.where} ({each.kind})" for each in found[:5])
    return first if len(found) <= 5 else f"{first} and {len(found) - 5} more"


def strings(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield strings with the way to each and what they are called, from plain containers: nobody's code runs."""
    for name, value in values.items():
        yield from _strings(name, value)


def _strings(name: str, value: Any) -> Iterator[tuple[str, str, str]]:
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
        else:
            waiting.extend((f"{where}.{key}", key, item) for key, item in islice(_attributes(value), room))


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a class of the notebook, or of an instance of one, that have names of their own."""
    kind = value if isinstance(value, type) else type(value)
    if kind.__module__ != "__main__":
        return
    try:
        found = (
            type.__getattribute__(value, "__dict__") if value is kind else object.__getattribute__(value, "__dict__")
        )
    except AttributeError:  # Slots.
        return
    yield from ((key, item) for key, item in list(found.items()) if isinstance(key, str) and not key.startswith("__"))


def _kind_of_line(line: str) -> str:
    if not _HINT.search(line):
        return ""
    return kind_of("", line) or next(filter(None, (kind_of(*each) for each in _ASSIGNED.findall(line))), "")


def _is_random(text: str) -> bool:
    if not _WORD.fullmatch(text) or not re.search(r"[0-9]", text) or not re.search(r"[A-Za-z]", text):
        return False
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts) >= _RANDOM
