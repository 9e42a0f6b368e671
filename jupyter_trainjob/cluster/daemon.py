"""The daemon's process: it puts the parts of the embedded cluster together, starts them, and serves until told to end.

``python -m jupyter_trainjob.cluster.daemon``, started by `launch`. One per state folder, held by a lock. Inside it,
reconcilers and agent talk to the API server's request core without a socket; everybody else comes through HTTPS.
Programs are children of their shims, not of this process: ending or killing it does not touch them.
"""

from __future__ import annotations

import argparse
import copy
import fcntl
import json
import logging
import os
import signal
import sys

from jupyter_trainjob.api import defaults, runtimes
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES
from jupyter_trainjob.cluster import claims, credentials, garbage, job, leftovers, podgroup, scheduler
from jupyter_trainjob.cluster.agent.agent import Agent
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.apiserver.http import HttpFront
from jupyter_trainjob.cluster.expiry import EventExpiry
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.cluster.state import StateDir, state_dir
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.constants import VERSION
from jupyter_trainjob.controller.manager import Manager, controllers
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.history import History, Keeper

_log = logging.getLogger("jupyter_trainjob.cluster")


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="jupyter_trainjob.cluster.daemon")
    parser.add_argument("--ready-fd", type=int, help="file descriptor that gets one byte once requests are answered")
    parser.add_argument("--warm", action="append", default=[], metavar="PYTHON", help="interpreter to warm up")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    state = state_dir().create()
    with state.lock.open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("another daemon serves %s", state.root)
            _tell(options.ready_fd)
            return 0
        serve(state, warm=tuple(options.warm) or (sys.executable,), ready_fd=options.ready_fd)
    return 0


def serve(state: StateDir, *, warm: tuple[str, ...], ready_fd: int | None = None) -> None:
    """Start every part in the order of its needs, answer requests until a signal, and end in the opposite order."""
    store = Store(state.store)
    core = Core(store, version=VERSION)
    client = Client(core)
    history = History(state.history)
    agent = Agent(client, state.agent, default_python=sys.executable, warm=warm, keep=Keeper(history, client))
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
            leftovers.controller(client, history, state.captures),
        ]
    )
    manager.start()
    expiry = EventExpiry(store)
    expiry.start()
    secrets = credentials.ensure(state.cluster)
    front = _listen(core, secrets, preferred_port=_last_port(state))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: front.stop())
    credentials.write_private(state.kubeconfig, credentials.kubeconfig(secrets, port=front.port))
    about = {"pid": os.getpid(), "port": front.port, "version": VERSION}
    credentials.write_private(state.daemon, json.dumps(about).encode())
    _log.info("serving %s on port %d", state.root, front.port)
    _tell(ready_fd)
    try:
        front.run()
    finally:
        expiry.stop()
        manager.stop()
        agent.stop()
        history.close()
        store.close()
        _log.info("ended")


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


def _listen(core: Core, files: credentials.Credentials, *, preferred_port: int) -> HttpFront:
    """Listen on the port of the last daemon, so that kubeconfigs in use stay valid; on any other if it is taken."""
    try:
        return HttpFront(core, certificate=files.certificate, key=files.key, token=files.token, port=preferred_port)
    except OSError:
        return HttpFront(core, certificate=files.certificate, key=files.key, token=files.token)


def _last_port(state: StateDir) -> int:
    try:
        return int(json.loads(state.daemon.read_bytes())["port"])
    except (OSError, ValueError, KeyError):
        return 0


def _tell(ready_fd: int | None) -> None:
    if ready_fd is not None:
        with os.fdopen(ready_fd, "wb") as pipe:
            pipe.write(b"+")


if __name__ == "__main__":
    sys.exit(main())
