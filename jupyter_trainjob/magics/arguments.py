"""The argument parsers of ``%%trainjob`` and ``%trainjob``. They raise errors and never exit the process.

``--help`` and ``%%trainjob?`` print the same text. The error for an unknown option is one line with the closest match.
"""

from __future__ import annotations

import argparse
import shlex
from typing import NoReturn

from jupyter_trainjob.client.commandline import job_arguments, log_options
from jupyter_trainjob.client.commandline.parser import Parser
from jupyter_trainjob.constants import CONTEXT_ENV
from jupyter_trainjob.errors import UsageError


class HelpRequested(Exception):
    """Raised for ``--help``, with the help text."""


class MagicParser(Parser):
    """A parser that raises its help text, for the magic to print."""

    def print_help(self, file: object = None) -> NoReturn:  # noqa: ARG002 - argparse's signature
        """Raise the help text."""
        raise HelpRequested(self.format_help())


def cell_parser() -> MagicParser:
    """Return the parser of ``%%trainjob``."""
    parser = MagicParser(
        prog="%%trainjob",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Run this cell on every node of a training job, with the variables of the notebook that it uses.\n\n"
            "The cell is the program: it runs at top level on every rank. The cell returns at once; NAME becomes a\n"
            "variable that holds the job: NAME.result() is the value of the cell's last expression on rank 0,\n"
            "NAME.metrics() what report(step=…, total=…, loss=…) reported, NAME.stop() ends it."
        ),
        epilog="Example:\n  %%trainjob digits --nodes 8 --out weights",
    )
    add = parser.add_argument
    job_arguments.add_job_arguments(parser)
    parser.set_defaults(name=None)  # A default name depends on the notebook's variables.
    add("--replace", action="store_true", help="stop the running job that NAME refers to before this one is sent")
    add("--wait", action="store_true", help="block until the job has ended; Ctrl-C detaches, the job keeps running")
    add("--dry-run", action="store_true", help="show what would be sent and the TrainJob; send nothing")
    return parser


def line_parser() -> MagicParser:
    """Return the parser of ``%trainjob``."""
    parser = MagicParser(
        prog="%trainjob",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Manage training jobs. `%trainjob COMMAND --help` shows the options of one command;\n"
            "`%trainjob list` lists the jobs. To send a cell, use %%trainjob, with two %, described below."
        ),
        epilog=f"To send a cell\n\n{cell_parser().format_help()}",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, text: str, *, job: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, prog=f"%trainjob {name}", allow_abbrev=False)
        if job:
            sub.add_argument("job", metavar="JOB", help="name of a job, its variable, or the beginning of its name")
        return sub

    _add_destination(command("list", "List the jobs, newest first.", job=False))
    _add_destination(command("show", "Show a job with its whole history, in any kernel."))
    logs = command("logs", "Print the logs of a job's nodes.")
    log_options.add_log_options(logs)
    _add_destination(logs)
    _add_destination(command("events", "Print the cluster's events of a job and its pods."))
    _add_destination(
        command("details", "Print the record of how a job was sent: values, modules, versions, notebook and commit.")
    )
    _add_destination(command("stop", "Stop a job; its metrics and logs are kept."))
    _add_destination(command("resume", "Start a stopped job again, from the beginning."))
    _add_destination(command("rerun", "Send a job again with the same code, captured values, seed and runtime."))
    _add_destination(command("delete", "Delete a job with its logs and history."))
    _add_destination(command("runtimes", "List the runtimes for --runtime.", job=False))
    doctor = command("doctor", "Check this computer and the clusters, and report problems.", job=False)
    doctor.add_argument("--context", metavar="C", help="check only this context")
    use = command("use", "Choose the cluster of this kernel; without a name, print it.", job=False)
    use.add_argument("context", nargs="?", metavar="C", help="context of your kubeconfig, or trainjob-local")
    use.add_argument("--namespace", metavar="NS", help="namespace (default: the context's)")
    return parser


def parse_line(parser: MagicParser, line: str) -> argparse.Namespace:
    """Parse the line of a magic. Raises `UsageError` or `HelpRequested`."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{parser.prog}: {error} in {line!r}. Close the quotation mark.") from None
    chosen: argparse.Namespace = parser.parse_args(words)
    if getattr(chosen, "name", None) in words:
        from jupyter_trainjob.client.commandline import leftover_words

        leftover_words.check_name(parser, words, chosen.name)
    return chosen


def _add_destination(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--context", metavar="C", help=f"context of your kubeconfig (default: {CONTEXT_ENV}, else this computer)"
    )
    parser.add_argument("--namespace", metavar="NS", help="namespace (default: the context's)")
