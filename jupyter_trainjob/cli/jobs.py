"""``jupyter trainjob list|get|logs|events|stop|resume|rerun|delete|runtimes``: jobs of any kernel, from a shell."""

from __future__ import annotations

import argparse
import sys

from jupyter_trainjob.cli import output
from jupyter_trainjob.cli.parsers import Commands, formed, placed
from jupyter_trainjob.client.handle import TrainJob


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    placed(formed(commands.add("list", _list, "List the jobs, newest first.")))
    placed(formed(_of_a_job(commands.add("get", _get, "Say where a job is, how far, and why."))))
    logs = _of_a_job(commands.add("logs", _logs, "Print what the nodes of a job printed."))
    logs.add_argument("--rank", type=int, metavar="N", help="of this node only")
    logs.add_argument("--pattern", metavar="TEXT", help="only lines with this text, in upper or lower case")
    logs.add_argument("--regex", action="store_true", help="take TEXT as a regular expression")
    logs.add_argument("--errors", action="store_true", help="only lines that tell of an error")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the job is over")
    placed(logs)
    placed(formed(_of_a_job(commands.add("events", _events, "Print what the cluster says about a job and its pods."))))
    placed(_of_jobs(commands.add("stop", _stop, "Stop jobs; their metrics and logs are kept.")))
    placed(_of_jobs(commands.add("resume", _resume, "Start stopped jobs again, from their beginning.")))
    again = "Send the very same job again: cell, captured values, seed and runtime. Prints the new name."
    placed(_of_a_job(commands.add("rerun", _rerun, again)))
    placed(_of_jobs(commands.add("delete", _delete, "Delete jobs with their logs and history.")))
    placed(formed(commands.add("runtimes", _runtimes, "List the runtimes that --runtime can name.")))


def _of_a_job(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("job", metavar="JOB", help="a job's name, or how it begins (the newest is meant)")
    return parser


def _of_jobs(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("jobs", nargs="+", metavar="JOB", help="a job's name, or how it begins (the newest is meant)")
    return parser


def _list(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.client.jobs import overview
    from jupyter_trainjob.widget import tables

    found = overview(context=chosen.context, namespace=chosen.namespace)
    output.show(chosen.output, [output.job(each) for each in found], table=lambda: tables.jobs(found))
    return 0


def _get(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.client.jobs import look
    from jupyter_trainjob.widget import text

    snapshot = look(chosen.job, context=chosen.context, namespace=chosen.namespace)
    output.show(chosen.output, output.job(snapshot), table=lambda: text.block(snapshot))
    return 0


def _logs(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.widget.text import clean

    found = _job(chosen, chosen.job).logs(
        chosen.rank, follow=chosen.follow, pattern=chosen.pattern, regex=chosen.regex, errors_only=chosen.errors
    )
    for line in [found] if isinstance(found, str) else found:
        # A terminal is not the place for a program's escape sequences; a file gets every byte.
        print(clean(line) if sys.stdout.isatty() else line, flush=chosen.follow)
    return 0


def _events(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.widget import tables

    found = _job(chosen, chosen.job).events()
    output.show(chosen.output, found, table=lambda: tables.events(found))
    return 0


def _stop(chosen: argparse.Namespace) -> int:
    for name in chosen.jobs:
        job = _job(chosen, name)
        lost = job.halt()
        print(f"{job.name}: {job.status().value}")
        if lost:
            print(lost, file=sys.stderr)
    return 0


def _resume(chosen: argparse.Namespace) -> int:
    for name in chosen.jobs:
        job = _job(chosen, name)
        job.resume()
        print(f"{job.name}: {job.status().value}")
    return 0


def _rerun(chosen: argparse.Namespace) -> int:
    job, differences = _job(chosen, chosen.job).again()
    print(job.name)
    for each in differences:
        print(f"Not as it was: {each}", file=sys.stderr)
    return 0


def _delete(chosen: argparse.Namespace) -> int:
    # All are found before one goes: `delete a a` means one job and says so, rather than two.
    for job in {job.uid: job for job in [_job(chosen, name) for name in chosen.jobs]}.values():
        job.delete()
        print(f"{job.name}: deleted")
    return 0


def _runtimes(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.client.runtimes import list_runtimes
    from jupyter_trainjob.widget import tables

    found = list_runtimes(context=chosen.context, namespace=chosen.namespace)
    output.show(chosen.output, output.records(found), table=lambda: tables.runtimes(found))
    return 0


def _job(chosen: argparse.Namespace, name: str) -> TrainJob:
    from jupyter_trainjob.client.jobs import get

    return get(name, context=chosen.context, namespace=chosen.namespace)
