"""``jupyter trainjob cluster start|stop|status|kubeconfig|clean``: the embedded cluster of this computer."""

from __future__ import annotations

import argparse
import sys

from jupyter_trainjob.cli.parsers import Commands
from jupyter_trainjob.cluster import clean, launch
from jupyter_trainjob.cluster.state import state_dir
from jupyter_trainjob.constants import EMBEDDED_CONTEXT


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    commands.add("start", _start, "Start it, if it does not run.")
    commands.add("stop", _stop, "End its daemon; running jobs go on, and the next start finds them.")
    commands.add("status", _status, "Say whether it runs, and where.")
    commands.add(
        "kubeconfig", _kubeconfig, "Start it if needed and print, as the last line, the path of its kubeconfig."
    )
    cleaning = commands.add("clean", _clean, "End its daemon and its programs, and remove all that it keeps.")
    cleaning.add_argument("-y", "--yes", action="store_true", help="do not ask")


def _start(chosen: argparse.Namespace) -> int:
    launch.ensure()
    return _status(chosen)


def _stop(_chosen: argparse.Namespace) -> int:
    print("Stopped; running jobs go on." if launch.stop() else "It was not running.")
    return 0


def _status(_chosen: argparse.Namespace) -> int:
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


def _kubeconfig(_chosen: argparse.Namespace) -> int:
    path = launch.ensure()
    print(f"context: {EMBEDDED_CONTEXT}")
    print(path)
    return 0


def _clean(chosen: argparse.Namespace) -> int:
    state = state_dir()
    found = clean.look(state)
    if found is None:
        print(f"There is nothing to remove in {state.root}.")
        return 0
    if not chosen.yes:
        print(f"This ends {found.programs} running programs and removes, for good: {', '.join(map(str, found.paths))}.")
        print("That is every job of this computer with its logs, metrics and volumes, and the history of other jobs.")
        if not sys.stdin.isatty():
            print("Nothing was removed: there is nobody to ask. --yes removes without asking.", file=sys.stderr)
            return 1
        if input("Remove it? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was removed.")
            return 1
    clean.remove(state)
    print(f"Removed. {state.root} is as before the first use.")
    return 0
