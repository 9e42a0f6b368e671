"""Register the commands of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from jupyter_trainjob.cli.output import FORMATS
from jupyter_trainjob.constants import CONTEXT_ENV

Action = Callable[[argparse.Namespace], int]
"""Runs a command and returns the exit status."""


class Commands:
    """The subcommands of a parser."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(self, name: str, action: Action, text: str) -> argparse.ArgumentParser:
        """Add a command that calls `action`, with `text` as its help; return its parser."""
        parser = self._parsers.add_parser(name, help=text, description=text, allow_abbrev=False)
        parser.set_defaults(action=action)
        return parser

    def group(self, name: str, text: str) -> Commands:
        """Add a command with subcommands."""
        return Commands(self._parsers.add_parser(name, help=text, description=text, allow_abbrev=False))


def with_destination(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the options ``--context`` and ``--namespace``."""
    parser.add_argument(
        "--context", metavar="C", help=f"context of your kubeconfig (default: {CONTEXT_ENV}, else this computer)"
    )
    parser.add_argument("--namespace", metavar="NS", help="namespace (default: the context's)")
    return parser


def with_output(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the option ``--output``."""
    parser.add_argument("-o", "--output", choices=FORMATS, default=FORMATS[0], help="output format (default: table)")
    return parser
