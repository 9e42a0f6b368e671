"""The options of ``logs``, shared by ``%trainjob logs`` and ``jupyter trainjob logs``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from jupyter_trainjob.client.commandline.word_parser import WordParser
from jupyter_trainjob.client.spec.option_types import WholeNumber

if TYPE_CHECKING:
    from jupyter_trainjob.client.watching.log_query import LogQuery


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of the command."""
    parser.add_argument(
        "--rank", type=WordParser("--rank", WholeNumber()), metavar="N", help="only the log of this node"
    )
    parser.add_argument("--pattern", metavar="TEXT", help="only lines that contain this text, ignoring case")
    parser.add_argument("--regex", action="store_true", help="take TEXT as a regular expression")
    parser.add_argument("--all", action="store_true", help="read the pods' whole logs, not only the newest lines")
    parser.add_argument("--errors", action="store_true", help="only lines with an error")


def log_query_of(chosen: argparse.Namespace, *, follow: bool = False) -> LogQuery:
    """Return the query that the parsed options ask for."""
    from jupyter_trainjob.client.watching.log_query import LogQuery

    return LogQuery(
        rank=chosen.rank,
        follow=follow,
        all_lines=chosen.all,
        pattern=chosen.pattern,
        regex=chosen.regex,
        errors_only=chosen.errors,
    )
