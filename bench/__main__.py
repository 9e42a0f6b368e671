"""Run every comparison and print one table: ``scripts/bench [NAME…]``."""

from __future__ import annotations

import argparse
import os

from bench import capture, first_step, load, load_ext, raising, report_call, sidebar, throughput, widget
from bench.table import HEAD

_ALL = {
    "load_ext": load_ext.rows,
    "report": report_call.rows,
    "first_step": first_step.rows,
    "capture": capture.rows,
    "raise": raising.rows,
    "throughput": throughput.rows,
    "load": load.rows,
    "widget": widget.rows,
    "sidebar": sidebar.rows,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Side by side with the peers, in one run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_ALL)}; default: all")
    chosen = parser.parse_args().names or list(_ALL)
    print(f"{os.cpu_count()} cores; medians, with the range in parentheses\n\n{HEAD}", flush=True)
    for name in chosen:
        for row in _ALL[name]():
            print(row.text(), flush=True)
