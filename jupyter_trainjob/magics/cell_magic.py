"""``%%trainjob``: submit the cell, bind the handle, and show a view."""

from __future__ import annotations

import argparse
import itertools
from typing import TYPE_CHECKING

from jupyter_trainjob import errors
from jupyter_trainjob.client import interrupt
from jupyter_trainjob.client.commandline import job_arguments
from jupyter_trainjob.client.commandline.parser_structure import subcommands
from jupyter_trainjob.client.creation import submission_steps
from jupyter_trainjob.client.spec.job_names import check_variable
from jupyter_trainjob.client.spec.options import TABLE
from jupyter_trainjob.constants import MAGIC
from jupyter_trainjob.magics import arguments
from jupyter_trainjob.widget.display import notebook_display
from jupyter_trainjob.widget.submission_card import SubmissionCard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_trainjob.client.live_job import LiveJob
    from jupyter_trainjob.client.submit import Prepared
    from jupyter_trainjob.client.trainjob import TrainJob


def run(shell: InteractiveShell, line: str, cell: str) -> None:
    """Send the cell with the options in `line`. Raises `errors.TrainJobError`."""
    __tracebackhide__ = True
    chosen = arguments.parse_line(arguments.cell_parser(), line)
    _check_body(line, cell)
    if chosen.name is None:
        chosen.name = _default_name(shell.user_ns)
    if chosen.dry_run:
        prepared = _prepare(shell, line, cell, chosen, submission_steps.ignore_step)
        _print_notes(prepared)
        from jupyter_trainjob.magics import dry_run

        print(dry_run.describe(prepared))
        return
    display = notebook_display()
    card = SubmissionCard(chosen.name, display)
    try:
        card.show_step(submission_steps.PACKING)
        prepared = _prepare(shell, line, cell, chosen, card.show_step)
        card.clear_line()
        _print_notes(prepared)
        previous = _still_running(shell.user_ns.get(chosen.name))
        if previous is not None and chosen.replace:
            card.show_step(f"Stopping {previous.name}")
            previous.stop()
            previous = None
        card.show_step(submission_steps.SENDING)
        job = _send(prepared)
    except BaseException as error:
        card.show_not_sent()
        if isinstance(error, KeyboardInterrupt) and not isinstance(error, submission_steps.NotSent):
            raise submission_steps.NotSent("Interrupted: nothing was sent.") from None
        raise
    shell.user_ns[chosen.name] = job
    from jupyter_trainjob.client.trainjob import live_job

    live = live_job(job)
    try:
        card.show_step(submission_steps.QUEUED)
        card.clear_line()
        live.follow_created()
        if previous is not None and display is None:
            name = previous.name
            print(f"{name}, the previous job of {chosen.name}, still runs: `%trainjob stop {name}` stops it.")
        _show(job, chosen, display_id=card.id if display else None, previous=previous)
    except interrupt.Detached:  # During --wait: the cells below must not run as if the job was over.
        raise
    except KeyboardInterrupt:  # While the view was still being opened.
        detached = interrupt.detach(live)
        if chosen.wait:
            raise detached from None
        print(detached)


def _print_notes(prepared: Prepared) -> None:
    for note in prepared.notes:
        print(note)


def _send(prepared: Prepared) -> TrainJob:
    from jupyter_trainjob.client import submit

    return submit.send(prepared)


def _still_running(earlier: object) -> LiveJob | None:
    """Return the unfinished job of the cell's variable, if there is one."""
    from jupyter_trainjob.client.trainjob import TrainJob, live_job
    from jupyter_trainjob.rendering.text import LIVE

    return live_job(earlier) if isinstance(earlier, TrainJob) and earlier.status() in LIVE else None


def _prepare(
    shell: InteractiveShell, line: str, cell: str, chosen: argparse.Namespace, on_step: submission_steps.OnStep
) -> Prepared:
    """Pack the cell, without sending anything."""
    from jupyter_trainjob.client import submit
    from jupyter_trainjob.client.spec import cell_names

    # The magic's line stays as a comment, so that line numbers in tracebacks are those of the cell.
    source = f"# {MAGIC} {line}\n{cell}"
    # Not shell.execution_count, which newer versions of IPython increment before a cell runs.
    filename = cell_names.cell_name(len(shell.history_manager.input_hist_parsed) - 1)
    check_variable(chosen.name)
    _check_not_replaced(chosen.name, shell.user_ns)
    options = job_arguments.options_of(chosen)
    return submit.prepare_cell(source, shell.user_ns, filename=filename, options=options, on_step=on_step)


def _default_name(variables: Mapping[str, object]) -> str:
    """Return a name for a job without one, and say so if it is not the usual one."""
    usual = str(TABLE["name"].default)
    name = _free_name(usual, variables)
    if name != usual:
        print(f"The job is called {name}, since {usual} is a variable of this notebook.")
    return name


def _check_not_replaced(name: str, variables: Mapping[str, object]) -> None:
    """Raise `errors.UsageError` if the notebook has a variable of the job's name that is no job: it would be lost."""
    if _is_free(name, variables):
        return
    raise errors.UsageError(
        f"{name} is a variable of this notebook ({type(variables[name]).__name__}), which a job of that name would "
        f"replace. Choose another name, such as {_free_name(f'{name}_job', variables)}, or run `del {name}` first. "
        "Nothing was sent."
    )


def _is_free(name: str, variables: Mapping[str, object]) -> bool:
    """Return whether a job can have this name without replacing anything but a job."""
    from jupyter_trainjob.client.trainjob import TrainJob

    return name not in variables or isinstance(variables[name], TrainJob)


def _free_name(name: str, variables: Mapping[str, object]) -> str:
    """Return the name, with a number if it is not free."""
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(candidate for candidate in names if _is_free(candidate, variables))


def _check_body(line: str, cell: str) -> None:
    if cell.strip():
        return
    command = line.split(maxsplit=1)[0] if line.strip() else ""
    if command in subcommands(arguments.line_parser()):
        raise errors.UsageError(f"{MAGIC} sends a cell. Did you mean %trainjob {line.strip()}, with one %?")
    raise errors.UsageError(
        f"The cell is empty: write the program below the line {MAGIC}. `{MAGIC} --help` shows what it does."
    )


def _show(job: TrainJob, chosen: argparse.Namespace, *, display_id: str | None, previous: LiveJob | None) -> None:
    from jupyter_trainjob.client.trainjob import live_job
    from jupyter_trainjob.widget.show import show

    __tracebackhide__ = True
    if not chosen.wait:
        show(live_job(job), display_id=display_id, previous=previous)
        return
    view = show(live_job(job), wait=True, display_id=display_id, previous=previous)
    try:
        job.wait(show=False)
    except errors.JobStopped:
        pass
    finally:
        view.refresh()
    if job.status().finished:
        job.result()
