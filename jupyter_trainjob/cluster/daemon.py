"""The daemon's process: it puts the parts of the embedded cluster together, starts them, and serves until told to end.

``python -m jupyter_trainjob.cluster.daemon``, started by `launch`. One per state folder, held by a lock. Inside it,
reconcilers and agent talk to the API server's request core without a socket; everybody else comes through HTTPS.
Programs are children of their shims, not of this process: ending or killing it does not touch them.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import logging
import os
import signal
import sqlite3
import sys
from contextlib import suppress

from jupyter_trainjob import errors
from jupyter_trainjob.api import defaults, runtimes
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES
from jupyter_trainjob.cluster import (
    claims,
    credentials,
    garbage,
    job,
    podgroup,
    presence,
    remains,
    scheduler,
    settings,
)
from jupyter_trainjob.cluster.agent.agent import Agent
from jupyter_trainjob.cluster.agent.warm import Limits
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.apiserver.http import HttpFront
from jupyter_trainjob.cluster.expiry import EventExpiry
from jupyter_trainjob.cluster.idle import Activity, anything_unfinished
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.cluster.life import LOOK_SECONDS, Life, Verdict, limit_log
from jupyter_trainjob.cluster.presence import Claim, Phase
from jupyter_trainjob.cluster.retention import Retention
from jupyter_trainjob.cluster.settings import Settings
from jupyter_trainjob.cluster.state import StateDir, state_dir
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.cluster.upgrade import Watcher
from jupyter_trainjob.constants import VERSION
from jupyter_trainjob.controller.manager import Manager, controllers
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.history import History, Keeper

_log = logging.getLogger("jupyter_trainjob.cluster")


END_SECONDS = 15.0
"""Ending takes a second. After so many something hangs: the log gets every stack, and this process ends."""


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon until SIGTERM or SIGINT, or until it is of no use."""
    parser = argparse.ArgumentParser(prog="jupyter_trainjob.cluster.daemon")
    parser.add_argument("--ready-fd", type=int, help="file descriptor that gets one byte once requests are answered")
    parser.add_argument(
        "--lock-fd", type=int, help="file descriptor of the lock, from the daemon that this one replaces"
    )
    parser.add_argument("--look-seconds", type=float, default=LOOK_SECONDS, help="how often it looks after itself")
    parser.add_argument("--warm", action="append", default=[], metavar="PYTHON", help="interpreter to warm up")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    faulthandler.register(signal.SIGUSR1)
    state = state_dir().create()
    limit_log(state.log)
    warm = tuple(options.warm) or (sys.executable,)
    with presence.claim(state, patience=END_SECONDS, inherited=options.lock_fd) as claim:
        if claim is None:
            _log.info("another daemon serves %s", state.root)
            _tell(options.ready_fd)
            return 0
        try:
            verdict = serve(
                state,
                claim,
                settings.load(),
                warm=warm,
                look_seconds=options.look_seconds,
                ready_fd=options.ready_fd,
            )
        except (errors.TrainJobError, OSError, sqlite3.OperationalError) as error:
            _log.error("cannot serve %s: %s", state.root, error)
            return 1
        faulthandler.cancel_dump_traceback_later()
        if verdict is Verdict.MAKE_WAY:
            # The lock goes over to the new program: who ends "the daemon" meanwhile finds this process, and ends it.
            words = ["--lock-fd", str(claim.bequeath()), *(word for python in warm for word in ("--warm", python))]
            os.execv(sys.executable, [sys.executable, "-m", "jupyter_trainjob.cluster.daemon", *words])  # noqa: S606
    return 0


def serve(
    state: StateDir,
    claim: Claim,
    chosen: Settings,
    *,
    warm: tuple[str, ...],
    look_seconds: float,
    ready_fd: int | None,
) -> Verdict:
    """Start every part in the order of its needs, answer requests until the end, and end in the opposite order."""
    store = Store(state.store)
    core = Core(store, version=VERSION)
    client = Client(core)
    history = History(state.history)
    agent = Agent(
        client,
        state.agent,
        default_python=sys.executable,
        warm=warm,
        keep=Keeper(history, client),
        warm_limits=Limits(servers=int(chosen.fork_servers), idle_seconds=chosen.idle_minutes * 60),
    )
    core.logs = agent.logs
    _install_runtimes(client)
    agent.start()
    informers = Informers(client)
    manager = Manager(
        [
            *controllers(client),
            job.controller(client, informers),
            scheduler.controller(client, informers),
            podgroup.controller(client, informers),
            garbage.controller(client, informers),
            claims.controller(client, informers, state.claims),
            remains.controller(client, history, state.jobs),
        ]
    )
    manager.start()
    expiry = EventExpiry(store)
    expiry.start()
    secrets = credentials.ensure(state.cluster)
    activity = Activity()
    front = _listen(core, secrets, preferred_port=claim.port, activity=activity)

    def end() -> None:
        with suppress(OSError):  # A full disk keeps nobody from ending.
            claim.say(Phase.ENDING)
        front.stop()

    life = Life(
        chosen,
        activity,
        look=Watcher().look,
        anything_unfinished=lambda: anything_unfinished(client),
        sweep=Retention(client, history, state, chosen).sweep,
        log=state.log,
        end=end,
        look_seconds=look_seconds,
    )
    told_to_end = False

    def obey(*_: object) -> None:
        nonlocal told_to_end
        told_to_end = True
        end()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, obey)
    credentials.write_private(state.kubeconfig, credentials.kubeconfig(secrets, port=front.port))
    claim.say(Phase.SERVING, port=front.port)
    _log.info("version %s serves %s on port %d", VERSION, state.root, front.port)
    _tell(ready_fd)
    life.start()
    try:
        front.run()
    finally:
        faulthandler.dump_traceback_later(END_SECONDS, exit=True)
        life.stop()
        expiry.stop()
        manager.stop()
        agent.stop()
        history.close()
        store.close()
        _log.info("ended")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # before the look: from here on a signal ends this process
    return Verdict.END if told_to_end else life.verdict


def _install_runtimes(client: Client) -> None:
    """Create or renew the ClusterTrainingRuntimes of the runtimes folders. Jobs hold a snapshot of theirs."""
    for runtime in runtimes.find():
        name = runtime["metadata"]["name"]
        stored = client.find(CLUSTERTRAININGRUNTIMES, name)
        if stored is None:
            client.create(CLUSTERTRAININGRUNTIMES, runtime)
        elif stored["spec"] != defaults.apply(CLUSTERTRAININGRUNTIMES, copy.deepcopy(runtime))["spec"]:
            client.delete(CLUSTERTRAININGRUNTIMES, name)
            client.create(CLUSTERTRAININGRUNTIMES, runtime)


def _listen(core: Core, files: credentials.Credentials, *, preferred_port: int, activity: Activity) -> HttpFront:
    """Listen on the port of the last daemon, so that kubeconfigs in use stay valid; on any other if it is taken."""

    def on(port: int) -> HttpFront:
        return HttpFront(
            core, certificate=files.certificate, key=files.key, token=files.token, port=port, activity=activity
        )

    try:
        return on(preferred_port)
    except OSError as error:
        _log.info("port %d of the last daemon is taken (%s); taking another", preferred_port, error)
        return on(0)


def _tell(ready_fd: int | None) -> None:
    if ready_fd is not None:
        with suppress(BrokenPipeError), os.fdopen(ready_fd, "wb", buffering=0) as pipe:  # The starter may be gone.
            pipe.write(b"+")


if __name__ == "__main__":
    sys.exit(main())
