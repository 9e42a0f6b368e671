"""``%trainjob list|show|logs|…``: looks after jobs, of this kernel or any other, and says where jobs go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_trainjob.magics import arguments

if TYPE_CHECKING:
    import argparse

    from jupyter_trainjob.client.handle import TrainJob


def run(line: str) -> None:
    """Carry out one line."""
    chosen = arguments.parse(arguments.line_parser(), line)
    _COMMANDS[chosen.command](chosen)


def _list(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client.jobs import overview
    from jupyter_trainjob.widget import tables

    print(tables.jobs(overview(context=chosen.context, namespace=chosen.namespace)))


def _show(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.widget.show import show

    show(_job(chosen))


def _logs(chosen: argparse.Namespace) -> None:
    job = _job(chosen)
    print(job.logs(chosen.rank, pattern=chosen.pattern, regex=chosen.regex, errors_only=chosen.errors))


def _events(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.widget import tables

    print(tables.events(_job(chosen).events()))


def _details(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client import details

    print(details.text(_job(chosen).details()))


def _stop(chosen: argparse.Namespace) -> None:
    job = _job(chosen)
    lost = job.halt()
    print(f"{job.name}: {job.status().value}.{f' {lost}' if lost else ''}")


def _resume(chosen: argparse.Namespace) -> None:
    job = _job(chosen)
    job.resume()
    print(f"{job.name}: {job.status().value}.")


def _rerun(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.widget.show import show

    old = _job(chosen)
    job, differences = old.again()
    named = _assign(old.variable, job)
    print(f"{job.name} is {old.name} sent again{f'; {named} holds it' if named else ''}.")
    for each in differences:
        print(f"Not as it was: {each}")
    show(job)


def _assign(variable: str, job: TrainJob) -> str:
    """Let the notebook's variable hold the job, as its cell would, unless it holds something else by now."""
    from IPython.core.getipython import get_ipython

    from jupyter_trainjob.client.handle import TrainJob

    names = getattr(get_ipython(), "user_ns", None)
    if not variable or names is None or not isinstance(names.get(variable, job), TrainJob):
        return ""
    names[variable] = job
    return variable


def _delete(chosen: argparse.Namespace) -> None:
    job = _job(chosen)
    job.delete()
    print(f"{job.name} is deleted.")


def _runtimes(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client.runtimes import list_runtimes
    from jupyter_trainjob.widget import tables

    print(tables.runtimes(list_runtimes(context=chosen.context, namespace=chosen.namespace)))


def _use(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client import context

    if chosen.context or chosen.namespace:
        context.use(context=chosen.context, namespace=chosen.namespace)
    print(context.described())


def _doctor(chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client import doctor
    from jupyter_trainjob.widget import tables

    print(tables.checks(doctor.examine(context=chosen.context)))


def _job(chosen: argparse.Namespace) -> TrainJob:
    from jupyter_trainjob.client.jobs import get

    return get(chosen.job, context=chosen.context, namespace=chosen.namespace)


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
