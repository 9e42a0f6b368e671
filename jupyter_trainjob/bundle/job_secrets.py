"""The values of ``--secret``: they are sent in their own Secret.

An option is ``NAME`` or ``NAME=ENV``. The ranks get each value in an environment variable; `capture` leaves the name
out of the captured values, and `delivery` makes the Secret. In the job a variable of the notebook has its value
again (`worker.output.secret_masking`, which also masks it in the log); a variable of the kernel's environment is a
variable of the job's environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jupyter_trainjob.bundle import credential_scan
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.output.secret_masking import MASK, SHORTEST

VALUE_LIMIT: Final = 32 * 2**10
"""Maximum of bytes of a value: the environment of a process is limited."""
_ENV: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_RESERVED_PREFIXES: Final = ("TRAINJOB_", "PET_")
"""Prefixes of the variables that configure a rank."""


@dataclass(frozen=True)
class SecretValue:
    """One secret value."""

    name: str
    """Name of the notebook's variable, or of the kernel's environment variable."""
    env: str
    value: str = field(repr=False)
    variable: bool
    """Whether it is a variable of the notebook."""


def parse_secret(option: str) -> tuple[str, str]:
    """Return the name and the environment variable of ``NAME[=ENV]``. Raises `errors.UsageError`.

    >>> parse_secret("token=HF_TOKEN")
    ('token', 'HF_TOKEN')
    """
    name, equals, env = option.partition("=")
    env = env if equals else name
    if not name.isidentifier():
        raise UsageError(
            f"--secret takes the name of a variable, or NAME=ENV, not {_show_unless_secret(name)}. Assign the value to "
            "a variable, as by HF_TOKEN = getpass.getpass(), then write --secret HF_TOKEN."
        )
    if not _ENV.match(env) or env.startswith(_RESERVED_PREFIXES):
        raise UsageError(
            f"--secret {name}: {_show_unless_secret(env)} cannot be the name of an environment variable of the job. "
            f"Write --secret {name}=ENV, with a name of ASCII letters, digits and underscores for ENV."
        )
    return name, env


def check_names(options: Sequence[str], variables: Iterable[str]) -> None:
    """Raise `errors.UsageError` for invalid or repeated names; `variables` are those of ``--env``."""
    if isinstance(options, str):
        raise UsageError(f"secrets must be a list of names, such as [{options!r}], not a string.")
    owners = dict.fromkeys(variables, "--env")
    for option in options:
        name, env = parse_secret(option)
        if env in owners:
            raise UsageError(f"--secret {name}: {owners[env]} has the environment variable {env} already.")
        owners[env] = f"--secret {name}"


def read_values(options: Sequence[str], variables: Mapping[str, Any]) -> tuple[SecretValue, ...]:
    """Return the values of the options, from the notebook's `variables` or else the environment."""
    return tuple(_read_value(*parse_secret(option), variables) for option in options)


def check_not_exposed(secrets: Sequence[SecretValue], source: str, filename: str, env: Mapping[str, str]) -> None:
    """Raise `errors.UsageError` if the cell's source or a variable of ``--env`` contains a secret."""
    for secret in _maskable(secrets):
        for name, value in env.items():
            if secret.value in str(value):
                raise UsageError(
                    f"--env {name} contains the value of --secret {secret.name}, and all who may read the TrainJob can "
                    f"read it. Write --secret {secret.name}={name} instead. Nothing was sent."
                )
        for number, line in enumerate(source.splitlines(), start=1):
            if secret.value in line:
                raise UsageError(
                    f"{filename}, line {number} contains the value of --secret {secret.name}, and the source is stored "
                    f"with the job. Use the name {secret.name} there. Nothing was sent."
                )


def variable_names(secrets: Sequence[SecretValue]) -> frozenset[str]:
    """Return the secrets' names that are variables of the notebook."""
    return frozenset(secret.name for secret in secrets if secret.variable)


def find_leaks(secrets: Sequence[SecretValue], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths of captured values that contain a secret."""
    long = _maskable(secrets)
    if not long:
        return ()
    return tuple(
        f"{where} (--secret {secret.name})"
        for where, _, text in credential_scan.iter_strings(values)
        for secret in long
        if secret.value in text
    )


def mask_values(text: str, secrets: Sequence[SecretValue]) -> str:
    """Return a text with the values of secrets masked, on the same number of lines."""
    for secret in _maskable(secrets):
        text = text.replace(secret.value, MASK + "\n" * secret.value.count("\n"))
    return text


def _read_value(name: str, env: str, variables: Mapping[str, Any]) -> SecretValue:
    variable = name in variables
    value = variables[name] if variable else os.environ.get(name)
    if value is None and not variable:
        raise UsageError(
            f"--secret {name}: neither the notebook nor the environment of its kernel has {name}. Set it first, for "
            f"example with {name} = getpass.getpass(). Nothing was sent."
        )
    if type(value) is not str or not value or "\0" in value or len(value.encode(errors="replace")) > VALUE_LIMIT:
        described = f"a {type(value).__name__}" + (f" of {len(value):,} characters" if type(value) is str else "")
        raise UsageError(
            f"--secret {name}: it must be a string of up to {VALUE_LIMIT // 2**10} KiB without zero bytes, since it is "
            f"sent as an environment variable; this is {described}. Nothing was sent."
        )
    return SecretValue(name, env, value, variable)


def _maskable(secrets: Sequence[SecretValue]) -> list[SecretValue]:
    return [secret for secret in secrets if len(secret.value) >= SHORTEST]


def _show_unless_secret(text: str) -> str:
    """Return the repr of a text, unless it may be the secret itself."""
    return repr(text) if len(text) <= 20 and not credential_scan.credential_kind("", text) else "this text"
