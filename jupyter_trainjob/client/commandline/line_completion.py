"""Completion of a line for an argparse parser: subcommands, options, option values.

Used by the magics in a kernel and by the shell's completion of ``jupyter trainjob``. The possible
values of an argument come from `values`, by the argument's name in the parser (``runtime``, ``context``, ``job`` …).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jupyter_trainjob.client.commandline import parser_structure

Values = Callable[[str, Mapping[str, str]], Sequence[str]]
"""Called with the name of an argument and the preceding options; returns the possible values."""


@dataclass(frozen=True)
class Completion:
    """One candidate: `text` replaces the word before the cursor."""

    text: str
    help: str = ""
    is_option: bool = False


@dataclass
class _Position:
    """The parser state at the cursor."""

    parser: argparse.ArgumentParser
    option: argparse.Action | None = None
    """The option whose value is being completed, if any."""
    positionals: int = 0
    used: frozenset[str] = frozenset()
    chosen: Mapping[str, str] | None = None


def complete(parser: argparse.ArgumentParser, words: Sequence[str], fragment: str, values: Values) -> list[Completion]:
    """Return the completions of `fragment`, the word after `words`."""
    position = _parse_words(parser, words)
    if position.option is not None:
        return _values(position.option, fragment, position, values)
    name, equals, value = fragment.partition("=")
    if equals and (option := parser_structure.options(position.parser).get(name)) is not None:
        completions = _values(option, value, position, values)
        return [Completion(f"{name}={completion.text}", completion.help) for completion in completions]
    if fragment.startswith("-"):
        return list(_option_names(position, fragment))
    completions = list(_positional(position, fragment, values))
    return completions if fragment else [*completions, *_option_names(position, "--")]


def explain_word(parser: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """Return the help of the last word if it is an option, an option's value or a subcommand; else empty."""
    *before, last = words
    position = _parse_words(parser, before)
    option = position.option or parser_structure.options(position.parser).get(last.partition("=")[0])
    if option is not None:
        takes = "" if option.nargs == 0 else f" {option.metavar or (option.dest or '').upper()}"
        return f"{', '.join(option.option_strings)}{takes}\n    {_help(option)}"
    command = parser_structure.subcommands(position.parser).get(last)
    return command.format_help() if command is not None else ""


def _parse_words(parser: argparse.ArgumentParser, words: Sequence[str]) -> _Position:
    position, used, chosen = _Position(parser), set[str](), dict[str, str]()
    for word in words:
        if position.option is not None:
            chosen[position.option.dest], position.option = word, None
        elif word.startswith("-"):
            name, equals, value = word.partition("=")
            option = parser_structure.options(position.parser).get(name)
            if option is None:
                continue
            used.update(option.option_strings)
            if equals:
                chosen[option.dest] = value
            elif option.nargs != 0:
                position.option = option
        elif word in parser_structure.subcommands(position.parser):
            position = _Position(parser_structure.subcommands(position.parser)[word])
        else:
            position.positionals += 1
    position.used, position.chosen = frozenset(used), chosen
    return position


def _option_names(position: _Position, fragment: str) -> Iterator[Completion]:
    for name, option in parser_structure.options(position.parser).items():
        is_new = name not in position.used or parser_structure.is_repeatable(option)
        if name.startswith("--") and name.startswith(fragment) and is_new:
            yield Completion(name, _help(option), is_option=True)


def _positional(position: _Position, fragment: str, values: Values) -> Iterator[Completion]:
    positionals = parser_structure.positionals(position.parser)
    for action in positionals[position.positionals :][:1] or [last for last in positionals if last.nargs == "+"]:
        if parser_structure.is_subcommand(action):
            for name, text in parser_structure.subcommand_help(position.parser).items():
                if name.startswith(fragment):
                    yield Completion(name, text)
        else:
            yield from _values(action, fragment, position, values)


def _values(action: argparse.Action, fragment: str, position: _Position, values: Values) -> list[Completion]:
    known = [str(choice) for choice in action.choices] if action.choices else values(action.dest, position.chosen or {})
    # In a comma-separated list, only the last item is completed.
    before, comma, last = fragment.rpartition(",")
    taken = before.split(",")
    return [
        Completion(f"{before}{comma}{value}")
        for value in known
        if value.startswith(last) and not (comma and value in taken)
    ]


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")
