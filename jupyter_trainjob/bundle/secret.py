"""Values of ``--secret``: they travel in a Secret of their own, and nowhere else.

In: what was asked for, ``NAME`` or ``NAME=ENV``, and the notebook's variables. Out: each value with the name of the
environment variable that brings it to every rank, for `capture`, which then leaves the name out of the captured
values, and for `delivery`, which makes the Secret. In the job a variable of the notebook has its value again
(``worker.hidden``, which also keeps it out of the log); what was a variable of the kernel's environment is one of the
job's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jupyter_trainjob.bundle import credentials
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.hidden import MASK, SHORTEST

LARGEST: Final = 32 * 2**10
"""Bytes of a value: the environment of a process has room for few of that size."""
_ENV: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OURS: Final = ("TRAINJOB_", "PET_")
"""How variables begin that tell a rank of its job."""


@dataclass(frozen=True)
class Sealed:
    """One secret value."""

    name: str
    """Of the notebook's variable, or of one of the kernel's environment."""
    env: str
    value: str = field(repr=False)
    variable: bool
    """Whether it is the notebook's."""


def parse(asked: str) -> tuple[str, str]:
    """Return the name and the environment variable of ``NAME[=ENV]``."""
    name, equals, env = asked.partition("=")
    env = env if equals else name
    if not name.isidentifier():
        raise UsageError(
            f"--secret takes the name of a variable, or NAME=ENV, not {_shown(name)}. Give the value a name first, for "
            "example with HF_TOKEN = getpass.getpass(), then write --secret HF_TOKEN."
        )
    if not _ENV.match(env) or env.startswith(_OURS):
        raise UsageError(
            f"--secret {name}: {_shown(env)} cannot be the name of an environment variable of the job. Write "
            f"--secret {name}=ENV, with a name of ASCII letters, digits and underscores for ENV."
        )
    return name, env


def check(asked: Sequence[str], variables: Iterable[str]) -> None:
    """Refuse names that cannot be meant; `variables` are those of ``--env``."""
    if isinstance(asked, str):
        raise UsageError(f"secrets is a list of names, such as [{asked!r}], not one text.")
    taken = dict.fromkeys(variables, "--env")
    for each in asked:
        name, env = parse(each)
        if env in taken:
            raise UsageError(f"--secret {name}: {taken[env]} has the environment variable {env} already.")
        taken[env] = f"--secret {name}"


def read(asked: Sequence[str], variables: Mapping[str, Any]) -> tuple[Sealed, ...]:
    """Return the values that were asked for; `variables` are the notebook's, before those of the environment."""
    return tuple(_read(*parse(each), variables) for each in asked)


def check_places(sealed: Sequence[Sealed], source: str, filename: str, env: Mapping[str, str]) -> None:
    """Refuse to send a secret where everybody can read it: in the text of the cell, or as a variable of ``--env``."""
    for each in _long(sealed):
        for name, value in env.items():
            if each.value in str(value):
                raise UsageError(
                    f"--env {name} contains the value of --secret {each.name}, and all who may read the TrainJob can "
                    f"read it. Write --secret {each.name}={name} instead. Nothing was sent."
                )
        for number, line in enumerate(source.splitlines(), start=1):
            if each.value in line:
                raise UsageError(
                    f"{filename}, line {number} contains the very value of --secret {each.name}, and the text of a "
                    f"cell is kept with its job. Write the name {each.name} there. Nothing was sent."
                )


def variables(sealed: Sequence[Sealed]) -> frozenset[str]:
    """Return the names of the notebook's variables among secrets."""
    return frozenset(each.name for each in sealed if each.variable)


def beside(sealed: Sequence[Sealed], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where the values of secrets travel a second time, within captured values."""
    long = _long(sealed)
    if not long:
        return ()
    return tuple(
        f"{where} (--secret {each.name})"
        for where, _, text in credentials.strings(values)
        for each in long
        if each.value in text
    )


def masked(text: str, sealed: Sequence[Sealed]) -> str:
    """Return a text without the values of secrets, on as many lines."""
    for each in _long(sealed):
        text = text.replace(each.value, MASK + "\n" * each.value.count("\n"))
    return text


def _read(name: str, env: str, variables: Mapping[str, Any]) -> Sealed:
    variable = name in variables
    value = variables[name] if variable else os.environ.get(name)
    if value is None and not variable:
        raise UsageError(
            f"--secret {name}: neither the notebook nor the environment of its kernel has {name}. Set it first, for "
            f"example with {name} = getpass.getpass(). Nothing was sent."
        )
    if type(value) is not str or not value or "\0" in value or len(value.encode(errors="replace")) > LARGEST:
        what = f"a {type(value).__name__}" + (f" of {len(value):,} characters" if type(value) is str else "")
        raise UsageError(
            f"--secret {name}: it must be a text of up to {LARGEST // 2**10} KiB without zero bytes, since it travels "
            f"as an environment variable; this is {what}. Nothing was sent."
        )
    return Sealed(name, env, value, variable)


def _long(sealed: Sequence[Sealed]) -> list[Sealed]:
    return [each for each in sealed if len(each.value) >= SHORTEST]


def _shown(text: str) -> str:
    """Return what was typed, but not if it may be the value itself."""
    return repr(text) if len(text) <= 20 and not credentials.kind_of("", text) else "what stands there"
