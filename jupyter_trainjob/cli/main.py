"""``jupyter trainjob …``: which command is meant, and how its end is told.

What a script may rely on: the exit status (0 done, 1 it went wrong or is not there, 2 wrong usage, 130 Ctrl-C), that
errors are one message on standard error, the names in ``-o json`` and ``-o yaml``, and, for ``cluster kubeconfig``, the
path on the last line of standard output.
"""

from __future__ import annotations

import argparse
import os
import sys

from jupyter_trainjob import errors
from jupyter_trainjob.cli import cluster, doctor, jobs
from jupyter_trainjob.cli.parsers import Commands
from jupyter_trainjob.constants import VERSION


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command line."""
    chosen = parser().parse_args(arguments)
    try:
        code = int(chosen.action(chosen))
        sys.stdout.flush()
    except errors.TrainJobError as error:
        print(f"jupyter trainjob: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has seen enough; nothing may be written at the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="jupyter trainjob", description="Training jobs from notebooks.", allow_abbrev=False
    )
    whole.add_argument("--version", action="version", version=VERSION)
    commands = Commands(whole)
    jobs.add(commands)
    doctor.add(commands)
    cluster.add(commands.group("cluster", "The embedded cluster on this computer."))
    return whole


if __name__ == "__main__":
    sys.exit(main())
