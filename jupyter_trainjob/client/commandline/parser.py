"""An ArgumentParser for magics and command line: errors are raised, in one line, and name the nearest word."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from jupyter_trainjob.client.commandline import parser_structure
from jupyter_trainjob.errors import UsageError, did_you_mean

_INVALID_CHOICE = re.compile(r"argument (?P<argument>[^:]+): invalid choice: '(?P<word>.*?)'")


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises `UsageError` instead of leaving the process."""

    _words: Sequence[str] = ()
    """The words being parsed, for error messages."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all words; report unexpected words as an error of the subcommand."""
        chosen, rest = self.parse_known_args(args, namespace)
        if rest:
            from jupyter_trainjob.client.commandline import leftover_words

            command, behind = parser_structure.command(self, self._words)
            wrong = leftover_words.explain_leftover(command, behind, rest)
            raise UsageError(f"{command.prog}: {wrong} `{command.prog} --help` shows all options.")
        return chosen

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, and keep the words for error messages."""
        self._words = [str(word) for word in (sys.argv[1:] if args is None else args)]
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise a usage error with suggestions."""
        raise UsageError(f"{self.prog}: {self._explained(message)} `{self.prog} --help` shows all options.")

    def _explained(self, message: str) -> str:
        choice = _INVALID_CHOICE.match(message)
        return self._other_choice(choice["argument"], choice["word"]) if choice is not None else f"{message}."

    def _other_choice(self, argument: str, word: str) -> str:
        for action in self._actions:
            if action.choices and argument in (action.metavar, action.dest, "/".join(action.option_strings)):
                known = [str(choice) for choice in action.choices]
                kind = argument.lower() if not action.option_strings else f"value of {argument}"
                order = self._order(word) if parser_structure.is_subcommand(action) else ""
                return (
                    f"there is no {kind} {word!r}.{order or did_you_mean(word, known)} Available: {', '.join(known)}."
                )
        return f"{argument} cannot be {word!r}."

    def _order(self, word: str) -> str:
        """Explain the order of words if `word` is the value of an option before the command."""
        before = self._words[: self._words.index(word)] if word in self._words else ()
        option = before[-1] if before else ""
        return f" Write {option} and its value after the command." if option.startswith("-") else ""
