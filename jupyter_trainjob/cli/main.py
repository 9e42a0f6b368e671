"""``jupyter trainjob``: choose the command, run it, and report errors.

Stable for scripts: the exit status (0 success, 1 failure or not found, 2 wrong usage, 130 Ctrl-C), one error message on
standard error, the names in ``-o json`` and ``-o yaml``, and the path on the last line of ``cluster kubeconfig``.
"""

from __future__ import annotations

import argparse
import os
import sys

from jupyter_trainjob import errors
from jupyter_trainjob.cli import (
    cluster_commands,
    controller_command,
    doctor_command,
    install_commands,
    job_commands,
    shell_completion,
)
from jupyter_trainjob.cli.parsers import Commands
from jupyter_trainjob.client.commandline.parser import Parser
from jupyter_trainjob.constants import VERSION


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == [shell_completion.COMPLETE_COMMAND]:
        return shell_completion.print_completions(parser(), words[1:])
    try:
        chosen = parser().parse_args(words)
    except errors.UsageError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        code = int(chosen.action(chosen))
        sys.stdout.flush()
    except errors.TrainJobError as error:
        print(f"jupyter trainjob: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has closed the pipe; the flush at interpreter exit must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = Parser(prog="jupyter trainjob", description="Training jobs from notebooks.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=VERSION)
    commands = Commands(parser)
    job_commands.add(commands)
    doctor_command.add(commands)
    shell_completion.add(commands)
    controller_command.add(commands)
    install_commands.add(commands)
    cluster_commands.add(commands.group("cluster", "The embedded cluster on this computer."))
    return parser


if __name__ == "__main__":
    sys.exit(main())
