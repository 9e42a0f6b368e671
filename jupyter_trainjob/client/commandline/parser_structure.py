"""The structure of an argparse parser: its options, positional arguments and subcommands.

argparse has no public way to ask for these; nothing else in the package touches its private attributes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


def options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return the options of a parser by each of their names."""
    return {name: action for action in parser._actions for name in action.option_strings}  # noqa: SLF001


def positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the positional arguments of a parser, subcommands included, in their order."""
    return [action for action in parser._actions if not action.option_strings]  # noqa: SLF001


def is_repeatable(option: argparse.Action) -> bool:
    """Whether an option may be given several times."""
    return isinstance(option, argparse._AppendAction)  # noqa: SLF001


def is_subcommand(argument: argparse.Action) -> bool:
    """Whether a positional argument is the name of a subcommand."""
    return isinstance(argument, argparse._SubParsersAction)  # noqa: SLF001


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the subcommands, by name."""
    return {name: subparser for action in _subparsers(parser) for name, subparser in action.choices.items()}


def subcommand_help(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the help text of each subcommand that has one, by name."""
    choices = (choice for action in _subparsers(parser) for choice in action._choices_actions)  # noqa: SLF001
    return {choice.dest: choice.help or "" for choice in choices}


def command(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[argparse.ArgumentParser, Sequence[str]]:
    """Return the parser of the subcommand in a line, and the words after its name."""
    for index, word in enumerate(words):
        if word in subcommands(parser):
            return command(subcommands(parser)[word], words[index + 1 :])
        if not word.startswith("-"):
            break
    return parser, words


def _subparsers(parser: argparse.ArgumentParser) -> list[Any]:
    return [argument for argument in positionals(parser) if is_subcommand(argument)]
