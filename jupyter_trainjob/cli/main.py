"""``jupyter trainjob cluster start|stop|status|kubeconfig``.

What a script may rely on: the exit status (0 done, 1 it went wrong or is not there, 2 wrong usage) and, for
``kubeconfig``, the path on the last line of standard output.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from jupyter_trainjob import errors
from jupyter_trainjob.cluster import launch
from jupyter_trainjob.cluster.state import state_dir
from jupyter_trainjob.constants import EMBEDDED_CONTEXT, VERSION


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command line."""
    parser = argparse.ArgumentParser(prog="jupyter trainjob", description="Training jobs from notebooks.")
    parser.add_argument("--version", action="version", version=VERSION)
    groups = parser.add_subparsers(metavar="COMMAND", required=True)
    cluster = groups.add_parser("cluster", help="the embedded cluster on this computer")
    commands = cluster.add_subparsers(metavar="COMMAND", required=True)
    for name, (action, text) in _CLUSTER.items():
        commands.add_parser(name, help=text, description=text).set_defaults(action=action)
    try:
        action = parser.parse_args(arguments).action
        return int(action())
    except errors.TrainJobError as error:
        print(f"jupyter trainjob: {error}", file=sys.stderr)
        return 1


def _start() -> int:
    launch.ensure()
    return _status()


def _stop() -> int:
    print("Stopped; running jobs go on." if launch.stop() else "It was not running.")
    return 0


def _status() -> int:
    state = state_dir()
    daemon = launch.running(state)
    if daemon is None:
        print(f"Not running. State folder: {state.root}")
        return 1
    print(
        f"Running: version {daemon.version}, pid {daemon.pid}, https://127.0.0.1:{daemon.port}\n"
        f"State folder: {state.root}\nkubectl --kubeconfig {state.kubeconfig} get trainjobs"
    )
    return 0


def _kubeconfig() -> int:
    path = launch.ensure()
    print(f"context: {EMBEDDED_CONTEXT}")
    print(path)
    return 0


_CLUSTER: dict[str, tuple[Callable[[], int], str]] = {
    "start": (_start, "Start it, if it does not run."),
    "stop": (_stop, "End its daemon; running jobs go on, and the next start finds them."),
    "status": (_status, "Say whether it runs, and where."),
    "kubeconfig": (_kubeconfig, "Start it if needed and print, as the last line, the path of its kubeconfig."),
}


if __name__ == "__main__":
    sys.exit(main())
