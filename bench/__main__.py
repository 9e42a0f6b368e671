"""Run every comparison and print one table: ``scripts/bench [NAME…]``."""

from __future__ import annotations

import argparse
import os
from functools import partial

from bench import (
    capture,
    controller,
    feedback,
    first_step,
    load,
    load_ext,
    raising,
    report_call,
    shell,
    sidebar,
    throughput,
    widget,
)
from bench.table import HEAD

_ALL = {
    "load_ext": load_ext.rows,
    "shell": shell.rows,
    "feedback": feedback.rows,
    "report": report_call.rows,
    "first_step": first_step.rows,
    "capture": capture.rows,
    "raise": raising.rows,
    "throughput": throughput.rows,
    "load": load.rows,
    "widget": widget.rows,
    "sidebar": sidebar.rows,
    "controller": controller.rows,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Compare this package with its peers in one run."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"a benchmark: {', '.join(_ALL)}; default: all")
    parser.add_argument(
        "--jobs",
        type=int,
        default=controller.JOBS,
        metavar="N",
        help="TrainJobs of `controller` (default: %(default)s)",
    )
    arguments = parser.parse_args()
    chosen = arguments.names or list(_ALL)
    print(f"{os.cpu_count()} cores; medians, with the range in parentheses\n\n{HEAD}", flush=True)
    benchmarks = _ALL | {"controller": partial(controller.rows, arguments.jobs)}
    for name in chosen:
        for row in benchmarks[name]():
            print(row.text(), flush=True)
