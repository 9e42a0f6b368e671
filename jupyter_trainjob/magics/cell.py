"""``%%trainjob``: the cell goes out, a handle comes back under its name, and a view of the job appears."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from jupyter_trainjob import errors
from jupyter_trainjob.constants import MAGIC
from jupyter_trainjob.magics import arguments, review

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_trainjob.client.handle import TrainJob
    from jupyter_trainjob.client.options import Options


def run(shell: InteractiveShell, line: str, cell: str) -> None:
    """Send the cell as the options in `line` say."""
    __tracebackhide__ = True
    chosen = arguments.parse(arguments.cell_parser(), line)
    from jupyter_trainjob.client import cells, submit

    # The magic's own line stays, as a comment: lines in tracebacks are then the lines that the user sees.
    source = f"# {MAGIC} {line}\n{cell}"
    # Not the shell's own count, which newer versions of IPython advance before a cell runs.
    filename = cells.name(len(shell.history_manager.input_hist_parsed) - 1)
    prepared = submit.prepare_cell(source, shell.user_ns, filename=filename, options=options_of(chosen))
    for note in prepared.notes:
        print(note)
    if chosen.dry_run:
        print(review.describe(prepared))
        return
    job = submit.send(prepared)
    shell.user_ns[chosen.name] = job
    _show(job, chosen)


def options_of(chosen: argparse.Namespace) -> Options:
    """Return what was typed as what is asked for; raises `errors.UsageError`."""
    from jupyter_trainjob.client.options import Options

    return Options(
        name=chosen.name,
        nodes=chosen.nodes,
        gpus=chosen.gpus,
        cpus=chosen.cpus,
        memory=chosen.memory,
        procs_per_node=chosen.procs_per_node,
        runtime=chosen.runtime,
        image=chosen.image,
        env=arguments.environment(chosen.env),
        deadline=chosen.deadline,
        retries=chosen.retries,
        out=arguments.names(chosen.out),
        files=chosen.file,
        secrets=chosen.secret,
        storage=chosen.storage,
        context=chosen.context,
        namespace=chosen.namespace,
    )


def _show(job: TrainJob, chosen: argparse.Namespace) -> None:
    from jupyter_trainjob.client import interrupt
    from jupyter_trainjob.widget.show import show

    __tracebackhide__ = True
    if not chosen.wait:
        show(job)
        return
    view = None
    try:
        view = show(job, wait=True)
        job.wait()
    except interrupt.Detached:
        return
    except KeyboardInterrupt:  # While the view was still being opened.
        interrupt.detach(job)
        return
    except errors.JobStopped:
        pass
    finally:
        if view is not None:
            view.settle()
    if job.status().finished:
        job.result()
