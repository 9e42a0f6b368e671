"""The options of a job as arguments of a parser, made from the table of options."""

from __future__ import annotations

import argparse

from jupyter_trainjob.client.commandline.word_parser import WordParser
from jupyter_trainjob.client.spec.options import TABLE, JobOptions, job_options


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an argument for each option of a job, with its name in Python as ``dest``."""
    for name, option in TABLE.items():
        if not option.flag:
            parser.add_argument(name, nargs="?", default=option.default, metavar=option.metavar, help=option.help)
            continue
        parser.add_argument(
            option.flag,
            dest=name,
            action="append" if option.type.repeatable else "store",
            type=WordParser(option.flag, option.type),
            default=None if option.type.repeatable else option.default,
            metavar=option.metavar,
            help=option.help,
        )


def options_of(arguments: argparse.Namespace) -> JobOptions:
    """Return the job options from parsed arguments; raises `errors.UsageError`."""
    values = {name: getattr(arguments, name) for name in TABLE}
    return job_options(**{name: TABLE[name].type.collect(value) for name, value in values.items() if value is not None})
