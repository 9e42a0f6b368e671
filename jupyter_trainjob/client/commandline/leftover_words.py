"""Explain unexpected words: name the likely option, value or job name."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Final

from jupyter_trainjob.client.commandline import parser_structure
from jupyter_trainjob.client.commandline.word_parser import WordParser
from jupyter_trainjob.client.spec import units
from jupyter_trainjob.client.spec.option_types import WholeNumber
from jupyter_trainjob.errors import UsageError, did_you_mean

ELSEWHERE: Final = {
    "-A": "The command uses one namespace: choose it with --namespace.",
    "--all-namespaces": "The command uses one namespace: choose it with --namespace.",
    "-f": "`jupyter trainjob logs JOB -f` continues until the job has ended; `%trainjob show JOB` shows it live.",
    "--follow": "`jupyter trainjob logs JOB -f` continues until the job has ended; `%trainjob show JOB` shows it live.",
    "-o": "`jupyter trainjob` in a shell has -o json and -o yaml for list, get, events and runtimes.",
    "--output": "`jupyter trainjob` in a shell has -o json and -o yaml for list, get, events and runtimes.",
    "-w": "panel() in a notebook shows all jobs live; `jupyter trainjob logs JOB -f` follows one.",
    "--watch": "panel() in a notebook shows all jobs live; `jupyter trainjob logs JOB -f` follows one.",
    "-y": "This command asks for no confirmation: omit the option.",
    "--yes": "This command asks for no confirmation: omit the option.",
}
"""Hints for common options of other command-line tools that this command lacks."""


_AMOUNTS: Final[dict[str, Callable[[str], object]]] = {
    "deadline": units.duration,
    "linger": units.duration,
    "memory": units.memory,
}
"""Options whose values have a unit."""


def explain_leftover(parser: argparse.ArgumentParser, words: Sequence[str], rest: Sequence[str]) -> str:
    """Return an error message for the unparsed `rest` of the `words` of a line; `parser` is that of the command."""
    wrong = next((word for word in rest if re.match(r"--?[A-Za-z]", word)), None)
    if wrong is not None:
        return _unknown(parser, wrong)
    option, run = _run(parser, words, rest[0])
    if option is not None:
        return _behind(option, run, named=_named_before(words, run))
    positionals = parser_structure.positionals(parser)
    if any(action.dest == "name" for action in positionals):
        return _one_word([*run[: -len(rest)], *rest] if len(run) > len(rest) else [*run])
    takes = [str(action.metavar or action.dest) for action in positionals]
    usage = f"the command takes one {takes[0]}" if takes else "the command takes only options"
    return f"{' '.join(rest)!r} is unexpected: {usage}."


def check_name(parser: argparse.ArgumentParser, words: Sequence[str], name: str) -> None:
    """Raise for a name that is the second word of an amount, as in ``--deadline 5 minutes``."""
    option, run = _run(parser, words, name) if name in words else (None, [])
    if option is None or len(run) != 2 or _alone(option, run[0]) or not units.join_amount(option.dest, " ".join(run)):
        return
    raise UsageError(f"{parser.prog}: {_behind(option, run, named=True)} `{parser.prog} --help` shows all options.")


def _alone(option: argparse.Action, value: str) -> bool:
    """Return whether one word is an amount that its option accepts."""
    try:
        _AMOUNTS[option.dest](value)
    except (UsageError, KeyError):
        return False
    return True


def _unknown(parser: argparse.ArgumentParser, word: str) -> str:
    known = sorted(name for name in parser_structure.options(parser) if name.startswith("--"))
    name = word.partition("=")[0] if word.startswith("--") else word[:2]
    if name.startswith("--"):
        meant = did_you_mean(name, known)
    else:
        same = [option for option in known if option.startswith(f"-{name}") and option != "--help"]
        meant = f" Write {' or '.join(same)}." if same else ""
    meant = meant or (f" {ELSEWHERE[name]}" if name in ELSEWHERE else f" Available: {' '.join(known)}.")
    return f"there is no option {name}.{meant}"


def _run(
    parser: argparse.ArgumentParser, words: Sequence[str], stray: str
) -> tuple[argparse.Action | None, Sequence[str]]:
    """Return the option before an unexpected word, and all words between this option and the next one."""
    at = len(words) - 1 - list(reversed(words)).index(stray)
    while at > 0 and not words[at - 1].startswith("--"):
        at -= 1
    end = next((index for index in range(at, len(words)) if words[index].startswith("-")), len(words))
    name, equals, value = words[at - 1].partition("=") if at else ("", "", "")
    return parser_structure.options(parser).get(name), [*([value] if equals else []), *words[at:end]]


def _named_before(words: Sequence[str], run: Sequence[str]) -> bool:
    """Return whether the job name is the first word, so that the words of `run` cannot contain it."""
    return bool(words) and not words[0].startswith("-") and words[0] not in run


def _behind(option: argparse.Action, run: Sequence[str], *, named: bool) -> str:
    """Return an error message for several words after an option."""
    name, text = option.option_strings[-1], " ".join(run)
    if option.nargs == 0:
        return f"{name} takes no value: omit {text!r} after it."
    if _takes_number(option):
        return f"{' '.join(run[1:])!r} after {name} {run[0]} is unexpected: {name} takes one number."
    one_word = units.join_amount(option.dest, text)
    if not named and not one_word and option.dest != "out":
        return f"{_one_word(run[1:])} A value of {name} with a space needs quotes."
    if option.dest == "out":
        return f"{name} takes names separated by commas, without spaces: write {name} {_joined(run)}."
    if one_word:
        return f"{name} {text}: a value with a space needs quotes. Write {name} {one_word}, or {_quoted(name, text)}."
    several = f" For several, repeat it: {' '.join(f'{name} {value}' for value in run)}."
    more = several if parser_structure.is_repeatable(option) else ""
    return f"{name} {text}: a value with a space needs quotes. Write {_quoted(name, text)}.{more}"


def _takes_number(option: argparse.Action) -> bool:
    is_whole = isinstance(option.type, WordParser) and isinstance(option.type.type, WholeNumber)
    return is_whole or option.dest == "cpus"


def _quoted(name: str, text: str) -> str:
    return f"{name} {shlex.quote(text)}"


def _joined(run: Sequence[str]) -> str:
    return ",".join(part for word in run for part in word.split(",") if part)


def _one_word(words: Sequence[str]) -> str:
    joined = re.sub(r"\W+", "_", "_".join(words))
    return f"A job name is one word: try {joined}."
