"""``jupyter trainjob cluster start|stop|status|kubeconfig|clean``: the embedded cluster of this computer."""

from __future__ import annotations

import argparse
import sys

from jupyter_trainjob.cli.parsers import Commands
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import state_dir
from jupyter_trainjob.constants import EMBEDDED_CONTEXT


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    commands.add("start", _start, "Start the embedded cluster, if it is not running.")
    commands.add("stop", _stop, "Stop its daemon; running jobs keep running, and the next daemon manages them again.")
    commands.add("status", _status, "Show whether it is running, its address and its state folder.")
    commands.add(
        "kubeconfig", _kubeconfig, "Start it if needed, and print the path of its kubeconfig as the last line."
    )
    clean = commands.add("clean", _clean, "Stop its daemon and all running programs, and remove all of its files.")
    clean.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")


def _start(chosen: argparse.Namespace) -> int:
    launcher.ensure_daemon()
    return _status(chosen)


def _stop(_chosen: argparse.Namespace) -> int:
    print("Stopped; running jobs keep running." if launcher.stop() else "It was not running.")
    return 0


def _status(_chosen: argparse.Namespace) -> int:
    state = state_dir()
    daemon = launcher.running_daemon(state)
    if daemon is None:
        print(f"Not running. State folder: {state.root}")
        return 1
    print(
        f"Running: version {daemon.version}, pid {daemon.pid}, https://127.0.0.1:{daemon.port}\n"
        f"State folder: {state.root}\nkubectl --kubeconfig {state.kubeconfig} get trainjobs"
    )
    return 0


def _kubeconfig(_chosen: argparse.Namespace) -> int:
    path = launcher.ensure_daemon()
    print(f"context: {EMBEDDED_CONTEXT}")
    print(path)
    return 0


def _clean(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.cluster.daemon import uninstall

    state = state_dir()
    installation = uninstall.find_installation(state)
    if installation is None:
        print(f"There is nothing to remove in {state.root}.")
        return 0
    if not chosen.yes:
        paths = ", ".join(map(str, installation.paths))
        print(f"This ends {installation.containers} running programs and permanently removes: {paths}.")
        print(
            "These are all jobs of this computer with their logs, metrics and volumes, and the history of jobs of "
            "other clusters."
        )
        if not sys.stdin.isatty():
            print(
                "Nothing was removed: standard input is not a terminal. --yes removes without asking.", file=sys.stderr
            )
            return 1
        if input("Remove it? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was removed.")
            return 1
    uninstall.uninstall(state)
    print(f"Removed: {state.root}.")
    return 0
