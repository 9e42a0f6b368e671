"""Types of job options: how a value is parsed from words of a command line, checked, and formatted as words again.

A type converts between the forms of a value: the Python value (``{"A": "1"}``), the words of a magic's line (``--env
A=1``), and the text of a form's field (lines of ``A=1``). It raises `errors.UsageError` for anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jupyter_trainjob import errors


@dataclass(frozen=True)
class OptionType:
    """Any text, or a value that is formatted as text. Base of the other types."""

    repeatable: ClassVar[bool] = False
    """Whether the option may be repeated, with one word each time."""

    def parse_word(self, flag: str, word: str) -> Any:  # noqa: ARG002 - other types name it in their errors
        """Return the value of one word after `flag`; raises `errors.UsageError`."""
        return word

    def collect(self, parsed: Any) -> Any:
        """Return the option's value from the parsed values: a value, or a list for a repeatable option."""
        return parsed

    def words(self, value: Any) -> list[str]:
        """Return the words for a value, each to be preceded by the option's flag."""
        return [str(value)]

    def field_words(self, text: str) -> list[str]:
        """Return the words for the text of a form field."""
        return [text.strip()] if text.strip() else []

    def check(self, name: str, value: Any) -> None:
        """Raise `errors.UsageError` for a Python value of another type."""


@dataclass(frozen=True)
class WholeNumber(OptionType):
    """An integer of at least `least`."""

    least: int = 0

    def parse_word(self, flag: str, word: str) -> int:
        """Return the number."""
        try:
            return int(word)
        except ValueError:
            raise errors.UsageError(f"{flag} {word}: write a whole number, such as 2.") from None

    def check(self, name: str, value: Any) -> None:
        """Raise for another type or a number below `least`."""
        if isinstance(value, bool) or not isinstance(value, int) or value < self.least:
            raise errors.UsageError(f"{name} must be a whole number of at least {self.least}, not {value!r}.")


@dataclass(frozen=True)
class Names(OptionType):
    """Names of variables, separated by commas."""

    def parse_word(self, flag: str, word: str) -> tuple[str, ...]:
        """Return the names."""
        names = tuple(_separated(word))
        for name in names:
            if not name.isidentifier():
                raise errors.UsageError(
                    f"{flag} {word}: {name!r} is not a variable name. Separate names by commas: {flag} a,b."
                )
        return names

    def words(self, value: Sequence[str]) -> list[str]:
        """Return the names as one word."""
        return [",".join(value)] if value else []

    def check(self, name: str, value: Any) -> None:
        """Raise for a string, which would be read as a list of letters."""
        _check_list(name, value)


@dataclass(frozen=True)
class TextList(OptionType):
    """Texts, one for each occurrence of the option."""

    repeatable: ClassVar[bool] = True

    def words(self, value: Sequence[str]) -> list[str]:
        """Return a word for each text."""
        return [*value]

    def field_words(self, text: str) -> list[str]:
        """Return the texts between commas."""
        return _separated(text)

    def check(self, name: str, value: Any) -> None:
        """Raise for a string, which would be read as a list of letters."""
        _check_list(name, value)


@dataclass(frozen=True)
class Variables(OptionType):
    """Environment variables by name, ``NAME=VALUE`` for each occurrence of the option."""

    repeatable: ClassVar[bool] = True

    def parse_word(self, flag: str, word: str) -> tuple[str, str]:
        """Return the name and the value."""
        name, equals, value = word.partition("=")
        if not equals:
            raise errors.UsageError(f"{flag} {word}: write NAME=VALUE.")
        return name, value

    def collect(self, parsed: Any) -> dict[str, str]:
        """Return the values by name."""
        return dict(parsed)

    def words(self, value: Mapping[str, str]) -> list[str]:
        """Return ``NAME=VALUE`` for each variable."""
        return [f"{name}={text}" for name, text in value.items()]

    def field_words(self, text: str) -> list[str]:
        """Return the nonempty lines."""
        return [line.lstrip() for line in text.splitlines() if line.strip()]

    def check(self, name: str, value: Any) -> None:
        """Raise for anything but a mapping of names to texts."""
        if not isinstance(value, Mapping):
            raise errors.UsageError(
                f"{name} must be a mapping of names to strings, such as {{'A': '1'}}, not {value!r}."
            )
        for key, text in value.items():
            if not isinstance(key, str) or not isinstance(text, str):
                raise errors.UsageError(
                    f"{name} takes strings: write {str(key)!r}: {str(text)!r}, not {key!r}: {text!r}."
                )
            if not key or "=" in key or "\0" in key:
                raise errors.UsageError(f"{key!r} cannot be the name of an environment variable.")


def _separated(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _check_list(name: str, value: Any) -> None:
    if isinstance(value, str):
        raise errors.UsageError(f"{name} must be a list, such as [{value!r}], not a string.")
