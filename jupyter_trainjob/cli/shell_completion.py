"""``jupyter trainjob completion bash|zsh|fish``: print a shell's completion script, and the completions it requests.

At each Tab, the script runs ``jupyter-trainjob __complete LINE`` with the line up to the cursor. The output has one
completion per line, followed by a tab and its help.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from jupyter_trainjob.cli.completion_scripts import SCRIPTS
from jupyter_trainjob.cli.parsers import Commands
from jupyter_trainjob.client.commandline.completion_values import Lookup
from jupyter_trainjob.client.commandline.line_completion import complete

COMPLETE_COMMAND: Final = "__complete"


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add("completion", _script, "Print the script that makes a shell complete this command.")
    parser.add_argument(
        "shell",
        choices=tuple(SCRIPTS),
        help="source <(jupyter trainjob completion bash), or zsh; in fish: jupyter trainjob completion fish | source",
    )


def print_completions(parser: argparse.ArgumentParser, lines: Sequence[str]) -> int:
    """Print the completions of a line; an invalid line has none."""
    words = " ".join(lines).split(" ")
    previous = [word for word in words[1:-1] if word]
    if previous[:1] == ["trainjob"]:
        previous = previous[1:]
    for completion in complete(parser, previous, words[-1], Lookup(patience=2.0).values):
        print(f"{completion.text}\t{completion.help}")
    return 0


def _script(chosen: argparse.Namespace) -> int:
    print(SCRIPTS[chosen.shell])
    return 0
