"""``jupyter trainjob list|get|logs|events|stop|resume|rerun|delete|runtimes``: jobs of any kernel, from a shell."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Literal

from jupyter_trainjob.cli import output
from jupyter_trainjob.cli.parsers import Commands, with_destination, with_output
from jupyter_trainjob.client.commandline import log_options

if TYPE_CHECKING:
    from jupyter_trainjob.client.live_job import LiveJob


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    with_destination(with_output(commands.add("list", _list, "List the jobs, newest first.")))
    with_destination(
        with_output(_with_job(commands.add("get", _get, "Show the state, progress and failure of a job.")))
    )
    logs = _with_job(commands.add("logs", _logs, "Print the logs of a job's nodes."))
    log_options.add_log_options(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="follow the log until the job has ended")
    with_destination(logs)
    with_destination(
        with_output(_with_job(commands.add("events", _events, "Print the cluster's events of a job and its pods.")))
    )
    with_destination(_with_jobs(commands.add("stop", _stop, "Stop jobs; their metrics and logs are kept.")))
    with_destination(_with_jobs(commands.add("resume", _resume, "Start stopped jobs again, from the beginning.")))
    rerun_help = "Send a job again with the same code, captured values, seed and runtime. Prints the new name."
    with_destination(_with_job(commands.add("rerun", _rerun, rerun_help)))
    with_destination(_with_jobs(commands.add("delete", _delete, "Delete jobs with their logs and history.")))
    with_destination(with_output(commands.add("runtimes", _runtimes, "List the runtimes for --runtime.")))


def _with_job(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "job", metavar="JOB", help="name of a job, its variable, or the beginning of its name (the newest match)"
    )
    return parser


def _with_jobs(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "jobs",
        nargs="+",
        metavar="JOB",
        help="name of a job, its variable, or the beginning of its name, if only one job matches",
    )
    return parser


def _list(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.client.job_lookup import list_snapshots
    from jupyter_trainjob.rendering import tables

    jobs = list_snapshots(context=chosen.context, namespace=chosen.namespace)
    output.print_values(chosen.output, [output.job_values(job) for job in jobs], table=lambda: tables.jobs(jobs))
    return 0


def _get(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.client.job_lookup import read_snapshot
    from jupyter_trainjob.rendering import text

    snapshot = read_snapshot(chosen.job, context=chosen.context, namespace=chosen.namespace)
    output.print_values(chosen.output, output.job_values(snapshot), table=lambda: text.summary(snapshot))
    return 0


def _logs(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.rendering.text import sanitize

    log = _job(chosen, chosen.job).read_log(log_options.log_query_of(chosen, follow=chosen.follow))
    for line in log.lines:
        # Escape sequences could control the terminal; a file gets the lines unchanged.
        print(sanitize(line) if sys.stdout.isatty() else line, flush=chosen.follow)
    if log.note is not None:
        print(log.note, file=sys.stderr)
    return 0


def _events(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.rendering import tables

    events = _job(chosen, chosen.job).events()
    output.print_values(chosen.output, events, table=lambda: tables.events(events))
    return 0


def _stop(chosen: argparse.Namespace) -> int:
    for name in chosen.jobs:
        job = _job_to_change("stop", chosen, name)
        lost = job.stop()
        print(f"{job.name}: {job.status().value}")
        if lost:
            print(lost, file=sys.stderr)
    return 0


def _resume(chosen: argparse.Namespace) -> int:
    for name in chosen.jobs:
        job = _job_to_change("resume", chosen, name)
        job.resume()
        print(f"{job.name}: {job.status().value}")
    return 0


def _rerun(chosen: argparse.Namespace) -> int:
    job, differences = _job(chosen, chosen.job).rerun()
    print(job.name)
    for difference in differences:
        print(f"Difference: {difference}", file=sys.stderr)
    return 0


def _delete(chosen: argparse.Namespace) -> int:
    # All jobs are found before the first is deleted, and a job that is named twice is deleted once.
    for job in {job.uid: job for job in [_job_to_change("delete", chosen, name) for name in chosen.jobs]}.values():
        job.delete()
        print(f"{job.name}: deleted")
    return 0


def _runtimes(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.client.context import connect
    from jupyter_trainjob.client.spec.runtimes import runtimes_of
    from jupyter_trainjob.rendering import tables

    connection = connect(chosen.context)
    runtimes = runtimes_of(connection, chosen.namespace)
    output.print_values(
        chosen.output,
        output.to_values(runtimes),
        table=lambda: tables.runtimes(runtimes, embedded=connection.embedded),
    )
    return 0


def _job(chosen: argparse.Namespace, name: str) -> LiveJob:
    from jupyter_trainjob.client.job_lookup import find_job

    return find_job(name, context=chosen.context, namespace=chosen.namespace)


def _job_to_change(action: Literal["stop", "resume", "delete"], chosen: argparse.Namespace, name: str) -> LiveJob:
    from jupyter_trainjob.client.job_lookup import find_job_to_change

    return find_job_to_change(action, name, context=chosen.context, namespace=chosen.namespace)
