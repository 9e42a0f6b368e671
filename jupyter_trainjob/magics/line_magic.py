"""``%trainjob list|show|logs|…``: manage jobs of any kernel, and choose the cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from jupyter_trainjob import errors
from jupyter_trainjob.client.commandline import log_options
from jupyter_trainjob.client.commandline.parser_structure import subcommands
from jupyter_trainjob.constants import MAGIC
from jupyter_trainjob.magics import arguments

if TYPE_CHECKING:
    import argparse

    from jupyter_trainjob.client.live_job import LiveJob


def run(line: str) -> None:
    """Run one command; an empty line prints the help."""
    parser = arguments.line_parser()
    words = line.split()
    if words and words[0] not in subcommands(parser) and "--nodes" in words:
        raise errors.UsageError(
            f"%trainjob manages jobs. To send a cell, write {MAGIC} {line.strip()} on its first line, with two %."
        )
    chosen = arguments.parse_line(parser, line)
    if chosen.command is None:
        parser.print_help()
    _COMMANDS[chosen.command](chosen)


def _list(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client.job_lookup import list_snapshots
    from jupyter_trainjob.rendering import tables

    print(tables.jobs(list_snapshots(context=chosen.context, namespace=chosen.namespace)))


def _show(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.widget.show import show

    show(_job(chosen))


def _logs(chosen: argparse.Namespace) -> None:
    log = _job(chosen).read_log(log_options.log_query_of(chosen))
    print("\n".join(log.lines))
    if log.note is not None:
        print(f"Note: {log.note}", file=sys.stderr)


def _events(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.rendering import tables

    print(tables.events(_job(chosen).events()))


def _details(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client.reproduce import details

    print(details.format_details(_job(chosen).details()))


def _stop(chosen: argparse.Namespace) -> None:
    job = _job_to_change("stop", chosen)
    lost = job.stop()
    print(f"{job.name}: {job.status().value}.{f' {lost}' if lost else ''}")


def _resume(chosen: argparse.Namespace) -> None:
    job = _job_to_change("resume", chosen)
    job.resume()
    print(f"{job.name}: {job.status().value}.")


def _rerun(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.widget.show import show

    old = _job(chosen)
    job, differences = old.rerun()
    named = _assign(old.variable, job)
    print(f"{job.name} is {old.name} sent again{f'; {named} holds it' if named else ''}.")
    for difference in differences:
        print(f"Difference: {difference}")
    show(job)


def _assign(variable: str, job: LiveJob) -> str:
    """Bind the job to the notebook's variable, unless that has another kind of value; return the bound name."""
    from jupyter_trainjob.client.trainjob import TrainJob

    names = _notebook_variables()
    if not variable or names is None or (variable in names and not isinstance(names[variable], TrainJob)):
        return ""
    names[variable] = TrainJob(job.connection, job.trainjob)
    return variable


def _delete(chosen: argparse.Namespace) -> None:
    job = _job_to_change("delete", chosen)
    job.delete()
    print(f"{job.name} is deleted.")


def _runtimes(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client.context import connect
    from jupyter_trainjob.client.spec.runtimes import runtimes_of
    from jupyter_trainjob.rendering import tables

    connection = connect(chosen.context)
    print(tables.runtimes(runtimes_of(connection, chosen.namespace), embedded=connection.embedded))


def _use(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client import context

    if chosen.context or chosen.namespace:
        context.use(context=chosen.context, namespace=chosen.namespace)
    print(context.describe_destination())


def _doctor(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client.doctor.examination import examine
    from jupyter_trainjob.rendering import tables

    print(tables.checks(examine(context=chosen.context)))


def _job(chosen: argparse.Namespace) -> LiveJob:
    from jupyter_trainjob.client.job_lookup import find_job

    return _job_of_variable(chosen) or find_job(chosen.job, context=chosen.context, namespace=chosen.namespace)


def _job_to_change(action: Literal["stop", "resume", "delete"], chosen: argparse.Namespace) -> LiveJob:
    from jupyter_trainjob.client.job_lookup import find_job_to_change

    return _job_of_variable(chosen) or find_job_to_change(
        action, chosen.job, context=chosen.context, namespace=chosen.namespace
    )


def _job_of_variable(chosen: argparse.Namespace) -> LiveJob | None:
    """Return the job that the notebook's variable of this name holds, unless another cluster or namespace is named."""
    from jupyter_trainjob.client.trainjob import TrainJob, live_job

    handle = (_notebook_variables() or {}).get(chosen.job)
    if not isinstance(handle, TrainJob) or chosen.context or chosen.namespace:
        return None
    return live_job(handle)


def _notebook_variables() -> dict[str, Any] | None:
    """Return the variables of the notebook, None outside of IPython."""
    from IPython.core.getipython import get_ipython

    variables: dict[str, Any] | None = getattr(get_ipython(), "user_ns", None)
    return variables


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "list": _list,
    "show": _show,
    "logs": _logs,
    "events": _events,
    "details": _details,
    "stop": _stop,
    "resume": _resume,
    "rerun": _rerun,
    "delete": _delete,
    "runtimes": _runtimes,
    "use": _use,
    "doctor": _doctor,
}
