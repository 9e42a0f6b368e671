"""Find what looks like a credential among captured values, and name it, never its value.

Scans the captured values, the source of the cell, the files that are sent, and the variables of ``--env``. Matches and
notes never contain the value itself; `mask_source` removes it from texts about a job. The patterns are the documented
formats of services' keys, so that nearly all matches are credentials. A word with a name like a password's counts too;
any other string must both have a name like a secret's and look random. Strings are also found in dicts, lists, tuples,
and in classes of the notebook and their instances, up to a limit.
"""

from __future__ import annotations

import functools
import math
import re
import types
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from jupyter_trainjob.bundle.analysis import code_objects
from jupyter_trainjob.worker.output.secret_masking import MASK

ITEMS_LIMIT: Final = 5_000
"""Maximum of items that are scanned in one value, breadth first."""
TEXT_LIMIT: Final = 16 * 2**10
"""Characters that are scanned of a captured string."""
FILES_LIMIT: Final = 200
FILE_SIZE_LIMIT: Final = 256 * 2**10
"""Maximum of files, and of bytes of a file, that are scanned; larger files are data."""

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
_SECRET_NAME: Final = re.compile(r"(?:^|[_ ])(?:secret|token|api_?key|access_?key|secret_?key|credentials?)s?$")
_PASSWORD_NAME: Final = re.compile(r"(?:^|[_ ])(?:password|passwd|passphrase|pwd)s?$")
_PASSWORD: Final = re.compile(r"(?!(.)\1*$|[/~.])[^\s<>{}$*]{6,128}")
"""What can be a password: one word, no placeholder such as ``<password>`` or ``${PASSWORD}``, no path as in ``PWD``."""
_HINT: Final = re.compile(
    r"-----BEGIN|AKIA|ASIA|gh[pousr]_|github_pat|hf_|sk-|xox|AIza|eyJ|://"
    r"|[Pp]ass(?:w|phrase)|PASS(?:W|PHRASE)|[Pp]wd|PWD|[Ss]ecret|SECRET"
    r"|[Tt]oken|TOKEN|[Kk]ey|KEY|[Cc]redential|CREDENTIAL"
)
"""A quick pre-check: most lines contain none of these."""
_WORD: Final = re.compile(r"[A-Za-z0-9+/=_.-]{16,512}")
_ASSIGNED: Final = re.compile(r"""\b([A-Za-z_]\w{0,60})["']?\]?\s*[=:]\s*[rbu]?["']([^"'\n]{6,512})["']""")
_RANDOM: Final = 3.5
"""Entropy in bits per character from which a string counts as random; words have less."""


class Credential(NamedTuple):
    """A probable credential."""

    where: str
    """``settings['token']``, ``Cell [3], line 2``."""
    kind: str


def credential_kind(name: str, text: str) -> str:
    """Return the kind of credential that the string `text` called `name` probably is; empty if none.

    >>> credential_kind("", "AKIAIOSFODNN7EXAMPLE")
    'AWS access key'
    """
    for kind, pattern in KINDS:
        if pattern.search(text):
            return kind
    if _PASSWORD_NAME.search(name.lower()) and _PASSWORD.fullmatch(text):
        return "password, by its name"
    return "secret, by its name" if _SECRET_NAME.search(name.lower()) and _is_random(text) else ""


def scan_values(values: Mapping[str, Any]) -> list[Credential]:
    """Return probable credentials in captured values, the same string once."""
    credentials, texts_seen = [], set()
    for where, called, text in iter_strings(values):
        if text not in texts_seen and (kind := credential_kind(called, text[:TEXT_LIMIT])):
            texts_seen.add(text)
            credentials.append(Credential(where, kind))
    return credentials


def scan_code(functions: Iterable[types.CodeType], cells: Mapping[str, str]) -> list[Credential]:
    """Return probable credentials among the constants of functions that are sent.

    `cells` maps the file names of executed code to labels of cells.
    """
    credentials = []
    for code in functions:
        kinds = {credential_kind("", text) for text in code_objects.string_constants(code)} - {""}
        where = cells.get(code.co_filename) or Path(code.co_filename).name
        credentials += [Credential(f"{code.co_name}() of {where}", kind) for kind in sorted(kinds)]
    return credentials


def scan_files(files: Mapping[str, Path]) -> list[Credential]:
    """Return probable credentials in files that are sent, at most one per file."""
    credentials = []
    for name, path in islice(files.items(), FILES_LIMIT):
        try:
            state = path.stat()
            if not path.is_file() or state.st_size > FILE_SIZE_LIMIT:
                continue
            kind, number = _scan_file(path, state.st_mtime_ns, state.st_size)
        except (OSError, UnicodeDecodeError):  # Missing, which is reported elsewhere, or no text.
            continue
        credentials += [Credential(f"{name}, line {number}", kind)] if kind else []
    return credentials


@functools.lru_cache(maxsize=4 * FILES_LIMIT)
def _scan_file(path: Path, _changed: int, _size: int) -> tuple[str, int]:
    """Return the first match in a file and its line; cached until the file changes."""
    lines = enumerate(path.read_text().splitlines(), start=1)
    return next(((kind, number) for number, line in lines if (kind := _kind_of_line(line))), ("", 0))


def scan_source(text: str, filename: str) -> list[Credential]:
    """Return probable credentials in the source of a cell, at most one per line."""
    return [
        Credential(f"{filename}, line {number}", kind)
        for number, line in enumerate(text.splitlines(), start=1)
        if (kind := _kind_of_line(line))
    ]


def mask_source(text: str) -> str:
    """Return source text with probable credentials masked, on the same number of lines."""
    if not scan_source(text, ""):
        return text
    for pattern in (_PRIVATE_KEY, *(pattern for _, pattern in KINDS)):
        text = pattern.sub(lambda match: MASK + "\n" * match[0].count("\n"), text)

    def mask_assigned(assigned: re.Match[str]) -> str:
        return assigned[0].replace(assigned[2], MASK) if credential_kind(assigned[1], assigned[2]) else assigned[0]

    return _ASSIGNED.sub(mask_assigned, text)


def mask_env(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables with probable credentials masked."""
    return {**variables, **dict.fromkeys(credential_kinds(variables), MASK)}


def credential_kinds(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the names of environment variables that are probable credentials, with their kinds."""
    kinds = ((name, credential_kind(name, str(value))) for name, value in variables.items())
    return {name: kind for name, kind in kinds if kind}


def credential_notes(
    credentials: Sequence[Credential], leaks: Sequence[str], variables: Mapping[str, str]
) -> list[str]:
    """Return notes on credentials in a job that is about to be sent."""
    notes = []
    if credentials:
        notes.append(
            f"Looks like a credential: {_format_list(credentials)}. It is sent and stored with the job, readable for "
            "all who may read Secrets of its namespace. Assign it to a variable and send that with --secret NAME."
        )
    if leaks:
        notes.append(
            f"The value of a secret is also part of {', '.join(leaks[:5])}, and is stored with the captured values. "
            "Create that object inside the job, from the secret's variable."
        )
    if in_env := [Credential(f"--env {name}", kind) for name, kind in credential_kinds(variables).items()]:
        notes.append(
            f"Looks like a credential: {_format_list(in_env)}. Variables of --env are part of the TrainJob, for "
            "all who may read it. Send it with --secret NAME, or NAME=ENV, instead."
        )
    return notes


def _format_list(credentials: Sequence[Credential]) -> str:
    first = ", ".join(f"{credential.where} ({credential.kind})" for credential in credentials[:5])
    return first if len(credentials) <= 5 else f"{first} and {len(credentials) - 5} more"


def iter_strings(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield path, name and text of strings in plain containers; runs no code of the values."""
    for name, value in values.items():
        yield from _strings(name, value)


def _strings(name: str, value: Any) -> Iterator[tuple[str, str, str]]:
    queue = deque([(name, name, value)])
    for _ in range(ITEMS_LIMIT):
        if not queue:
            return
        where, called, value = queue.popleft()
        room = ITEMS_LIMIT - len(queue)
        if type(value) is str:
            yield where, called, value
        elif type(value) is bytes:
            yield where, called, value[:TEXT_LIMIT].decode("latin-1")
        elif type(value) is dict:
            for number, (key, item) in enumerate(islice(value.items(), room), start=1):
                # A key that may be a secret itself is not shown.
                plain = type(key) is str and key.isidentifier() and len(key) <= 40 and not credential_kind("", key)
                queue.append((f"{where}[{key!r}]" if plain else f"{where}[key {number}]", key if plain else "", item))
        elif type(value) in (list, tuple):
            queue.extend((f"{where}[{index}]", called, item) for index, item in enumerate(value[:room]))
        else:
            queue.extend((f"{where}.{key}", key, item) for key, item in islice(_attributes(value), room))


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a class of the notebook, or of an instance of one, without dunder names."""
    kind = value if isinstance(value, type) else type(value)
    if kind.__module__ != "__main__":
        return
    try:
        attributes = (
            type.__getattribute__(value, "__dict__") if value is kind else object.__getattribute__(value, "__dict__")
        )
    except AttributeError:  # Slots.
        return
    yield from (
        (key, item) for key, item in list(attributes.items()) if isinstance(key, str) and not key.startswith("__")
    )


def _kind_of_line(line: str) -> str:
    if not _HINT.search(line):
        return ""
    return credential_kind("", line) or next(
        filter(None, (credential_kind(*assignment) for assignment in _ASSIGNED.findall(line))), ""
    )


def _is_random(text: str) -> bool:
    if not _WORD.fullmatch(text) or not re.search(r"[0-9]", text) or not re.search(r"[A-Za-z]", text):
        return False
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts) >= _RANDOM
