"""How commands are added to the command line: a name, what carries it out, and one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from jupyter_trainjob.cli.output import FORMATS
from jupyter_trainjob.constants import CONTEXT_ENV

Action = Callable[[argparse.Namespace], int]
"""Carries out a command and returns the exit status."""


class Commands:
    """The commands below one parser."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(self, name: str, action: Action, text: str) -> argparse.ArgumentParser:
        """Add a command and return its parser."""
        parser = self._parsers.add_parser(name, help=text, description=text, allow_abbrev=False)
        parser.set_defaults(action=action)
        return parser

    def group(self, name: str, text: str) -> Commands:
        """Add a command that has commands of its own."""
        return Commands(self._parsers.add_parser(name, help=text, description=text, allow_abbrev=False))


def placed(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the options that say which cluster is meant."""
    parser.add_argument(
        "--context", metavar="C", help=f"context of your kubeconfig (default: {CONTEXT_ENV}, else this computer)"
    )
    parser.add_argument("--namespace", metavar="NS", help="namespace (default: the context's)")
    return parser


def formed(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the option that says how to print."""
    parser.add_argument("-o", "--output", choices=FORMATS, default=FORMATS[0], help="how to print (default: table)")
    return parser
