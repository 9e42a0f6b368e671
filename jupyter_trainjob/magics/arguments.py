"""What may be typed after ``%%trainjob`` and ``%trainjob``: two argparse parsers that never end the kernel.

``--help`` and ``%%trainjob?`` print the same text, and an unknown option is a one-line error that names the nearest.
"""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
from typing import NoReturn

from jupyter_trainjob.constants import CONTEXT_ENV, DEFAULT_RUNTIME
from jupyter_trainjob.errors import UsageError


class HelpAsked(Exception):
    """``--help`` was among the options; carries the text."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises `UsageError` instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint with what is possible instead."""
        raise UsageError(f"{self.prog}: {message}{self._nearest(message)} `{self.prog} --help` shows all options.")

    def print_help(self, file: object = None) -> NoReturn:  # noqa: ARG002 - argparse's signature
        """Raise the help text, for the caller to print."""
        raise HelpAsked(self.format_help())

    def _nearest(self, message: str) -> str:
        known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        for word in re.findall(r"--[\w-]+", message):
            near = difflib.get_close_matches(word, known, n=1)
            if word not in known:
                return f". Did you mean {near[0]}?" if near else f". There is: {' '.join(known)}."
        return "."


def cell_parser() -> Parser:
    """Return the parser of ``%%trainjob``."""
    parser = Parser(
        prog="%%trainjob",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Run this cell on every node of a training job, with the notebook's names that it uses.\n\n"
            "The cell is the program: it runs at top level on every rank. The cell returns at once; NAME becomes a\n"
            "variable that holds the job: NAME.result() is the value of the cell's last expression on rank 0,\n"
            "NAME.metrics() what report(step=…, total=…, loss=…) reported, NAME.stop() ends it."
        ),
        epilog="Example:\n  %%trainjob digits --nodes 8 --out weights",
    )
    add = parser.add_argument
    add("name", nargs="?", default="job", metavar="NAME", help="variable that holds the job (default: job)")
    add("--nodes", type=int, default=1, metavar="N", help="number of nodes (default: 1)")
    add("--gpus", type=int, metavar="G", help="GPUs of each node")
    add("--cpus", metavar="C", help="CPUs of each node, such as 4, 0.5 or 500m")
    add("--memory", metavar="M", help="memory of each node, such as 4Gi; a node that takes more is killed")
    add("--procs-per-node", type=int, metavar="P", help="ranks on each node (default: one for each GPU, else one)")
    add("--runtime", default=DEFAULT_RUNTIME, metavar="R", help=f"training runtime (default: {DEFAULT_RUNTIME})")
    add("--image", metavar="I", help="container image (default: the runtime's); this computer needs none")
    add("--env", action="append", default=[], metavar="K=V", help="environment variable of every rank; repeatable")
    add("--deadline", metavar="D", help="the job fails after so long, waiting included: 45m, 2h30m")
    add("--retries", type=int, default=0, metavar="N", help="start the whole job again after a failure, so often")
    add("--out", default="", metavar="A,B", help="names that come back from rank 0, as NAME.out['A']")
    add(
        "--secret",
        action="append",
        default=[],
        metavar="NAME[=ENV]",
        help="variable of the notebook, else of its environment, that travels in a Secret; repeatable",
    )
    add("--file", action="append", default=[], metavar="PATH", help="file or folder that travels too; repeatable")
    add(
        "--storage", metavar="S", help="where checkpoints and output lie: pvc://CLAIM[/path], s3://…, gs://…, file:///…"
    )
    _where(parser)
    add("--wait", action="store_true", help="block until the job is over; Ctrl-C detaches, the job goes on")
    add("--dry-run", action="store_true", help="show what would travel and the TrainJob; send nothing")
    return parser


def line_parser() -> Parser:
    """Return the parser of ``%trainjob``."""
    parser = Parser(prog="%trainjob", allow_abbrev=False, description="Look after training jobs.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str, *, job: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, prog=f"%trainjob {name}", allow_abbrev=False)
        if job:
            sub.add_argument("job", metavar="JOB", help="a job's name, or how it begins (the newest is meant)")
        return sub

    _where(command("list", "List the jobs, newest first.", job=False))
    _where(command("show", "Show a job with its whole history, in any kernel."))
    logs = command("logs", "Print what the nodes of a job printed.")
    logs.add_argument("--rank", type=int, metavar="N", help="of this node only")
    logs.add_argument("--pattern", metavar="TEXT", help="only lines with this text, in upper or lower case")
    logs.add_argument("--regex", action="store_true", help="take TEXT as a regular expression")
    logs.add_argument("--errors", action="store_true", help="only lines that tell of an error")
    _where(logs)
    _where(command("events", "Print what the cluster says about a job and its pods."))
    _where(command("details", "Print what a job was sent with: values, modules, versions, and how it was made."))
    _where(command("stop", "Stop a job; its metrics and logs are kept."))
    _where(command("resume", "Start a stopped job again, from its beginning."))
    _where(command("rerun", "Send the very same job again: cell, captured values, seed and runtime."))
    _where(command("delete", "Delete a job with its logs and history."))
    _where(command("runtimes", "List the runtimes that --runtime can name.", job=False))
    doctor = command("doctor", "Look at this computer and the clusters, and say what is wrong.", job=False)
    doctor.add_argument("--context", metavar="C", help="look at this context alone")
    use = command("use", "Choose the cluster of this kernel; without a name, say which it is.", job=False)
    use.add_argument("context", nargs="?", metavar="C", help="context of your kubeconfig, or trainjob-local")
    use.add_argument("--namespace", metavar="NS", help="namespace (default: the context's)")
    return parser


def parse(parser: Parser, line: str) -> argparse.Namespace:
    """Parse a magic's line; raises `UsageError` or `HelpAsked`."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{parser.prog}: {error} in {line!r}. Close the quotation mark.") from None
    return parser.parse_args(words)


def environment(pairs: list[str]) -> dict[str, str]:
    """Return the variables of ``--env K=V`` options."""
    for pair in pairs:
        if not pair.partition("=")[1]:
            raise UsageError(f"--env {pair}: write NAME=VALUE.")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def names(text: str) -> tuple[str, ...]:
    """Return the names of ``--out a,b``."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in found:
        if not name.isidentifier():
            raise UsageError(f"--out {text}: {name!r} is no variable name. Write names with commas between: --out a,b.")
    return found


def _where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--context", metavar="C", help=f"context of your kubeconfig (default: {CONTEXT_ENV}, else this computer)"
    )
    parser.add_argument("--namespace", metavar="NS", help="namespace (default: the context's)")
