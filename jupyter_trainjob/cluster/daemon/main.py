"""The daemon's process: assemble the embedded cluster, start it, and serve until it is stopped.

``python -m jupyter_trainjob.cluster.daemon.main``, started by `launcher`; one per state folder, ensured by a lock.
Controllers and agent call the API server's request handler directly, without a socket; other clients use HTTPS.
Containers are children of their shims, not of this process, and survive its end.
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
from jupyter_trainjob.api.admission import defaults
from jupyter_trainjob.api.kinds import runtimes
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES
from jupyter_trainjob.cluster import job
from jupyter_trainjob.cluster.agent.agent import Agent
from jupyter_trainjob.cluster.agent.containers.forkserver_pool import Limits
from jupyter_trainjob.cluster.apiserver.https_server import HttpsServer
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.controllers import claim_binder, garbage_collector, trainjob_cleanup
from jupyter_trainjob.cluster.controllers.event_expiry import EventExpiry
from jupyter_trainjob.cluster.controllers.retention import Retention
from jupyter_trainjob.cluster.daemon import daemon_status
from jupyter_trainjob.cluster.daemon.daemon_status import Claim, Phase
from jupyter_trainjob.cluster.daemon.lifecycle import CHECK_SECONDS, Decision, Lifecycle, limit_log
from jupyter_trainjob.cluster.daemon.upgrade import PackageWatcher
from jupyter_trainjob.cluster.idle_detection import RequestActivity, has_unfinished_work
from jupyter_trainjob.cluster.scheduler import podgroup_status, scheduler
from jupyter_trainjob.cluster.shared_informers import SharedInformers
from jupyter_trainjob.cluster.state import cluster_settings, tls_credentials
from jupyter_trainjob.cluster.state.cluster_settings import Settings
from jupyter_trainjob.cluster.state.state_dir import StateDir, state_dir
from jupyter_trainjob.cluster.store import quarantine
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import VERSION
from jupyter_trainjob.controller.manager import Manager, build_controllers
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.history import History, LogArchiver

_log = logging.getLogger("jupyter_trainjob.cluster")


END_SECONDS = 15.0
"""Stopping takes a second. After this limit all stacks are logged and the process exits."""


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon until SIGTERM, SIGINT, or its own decision to stop (see `lifecycle`)."""
    parser = argparse.ArgumentParser(prog="jupyter_trainjob.cluster.daemon.main")
    parser.add_argument("--ready-fd", type=int, help="file descriptor that gets one byte once requests are answered")
    parser.add_argument(
        "--lock-fd", type=int, help="file descriptor of the lock, from the daemon that this one replaces"
    )
    parser.add_argument("--check-seconds", type=float, default=CHECK_SECONDS, help="interval of periodic tasks")
    parser.add_argument("--warm", action="append", default=[], metavar="PYTHON", help="interpreter to warm up")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    faulthandler.register(signal.SIGUSR1)
    state = state_dir().create()
    limit_log(state.log)
    warm = tuple(options.warm) or (sys.executable,)
    with daemon_status.claim_state_dir(state, timeout=END_SECONDS, inherited=options.lock_fd) as claim:
        if claim is None:
            _log.info("another daemon serves %s", state.root)
            _report_ready(options.ready_fd)
            return 0
        try:
            verdict = serve(
                state,
                claim,
                cluster_settings.load_settings(),
                warm=warm,
                check_seconds=options.check_seconds,
                ready_fd=options.ready_fd,
            )
        except (errors.TrainJobError, OSError, sqlite3.OperationalError) as error:
            _log.error("cannot serve %s: %s", state.root, error)
            return 1
        faulthandler.cancel_dump_traceback_later()
        if verdict is Decision.REPLACE:
            # The new program keeps the lock and the pid, so that the daemon can be stopped at any time in between.
            new_arguments = [
                "--lock-fd",
                str(claim.make_inheritable()),
                *(word for python in warm for word in ("--warm", python)),
            ]
            os.execv(sys.executable, [sys.executable, "-m", "jupyter_trainjob.cluster.daemon.main", *new_arguments])  # noqa: S606
    return 0


def serve(
    state: StateDir,
    claim: Claim,
    settings: Settings,
    *,
    warm: tuple[str, ...],
    check_seconds: float,
    ready_fd: int | None,
) -> Decision:
    """Start all components in the order of their dependencies, serve, and stop them in reverse order."""
    store = Store(state.store)
    quarantine.quarantine_unusable(store, state.quarantine)
    core = ApiServer(store, version=VERSION, check_runtimes=True)
    client = Client(core)
    history = History(state.history)
    agent = Agent(
        client,
        state.agent,
        default_python=sys.executable,
        warm=warm,
        keeper=LogArchiver(history, client),
        warm_limits=Limits(servers=int(settings.fork_servers), idle_seconds=settings.idle_minutes * 60),
    )
    core.logs = agent.logs
    _install_runtimes(client)
    agent.start()
    informers = SharedInformers(client)
    manager = Manager(
        [
            *build_controllers(client),
            job.controller(client, informers),
            scheduler.controller(client, informers),
            podgroup_status.controller(client, informers),
            garbage_collector.controller(client, informers),
            claim_binder.controller(client, informers, state.claims),
            trainjob_cleanup.controller(client, history, state.jobs),
        ]
    )
    manager.start()
    expiry = EventExpiry(store)
    expiry.start()
    credentials = tls_credentials.ensure_credentials(state.cluster)
    activity = RequestActivity()
    server = _listen(core, credentials, preferred_port=claim.port, activity=activity)

    def end() -> None:
        with suppress(OSError):  # a full disk must not prevent the stop
            claim.publish(Phase.ENDING)
        server.stop()

    lifecycle = Lifecycle(
        settings,
        activity,
        detect_change=PackageWatcher().detect_change,
        has_unfinished_work=lambda: has_unfinished_work(client),
        sweep=Retention(client, history, state, settings).delete_expired,
        log=state.log,
        end=end,
        check_seconds=check_seconds,
    )
    stopped_by_signal = False

    def handle_signal(*_: object) -> None:
        nonlocal stopped_by_signal
        stopped_by_signal = True
        end()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle_signal)
    tls_credentials.write_private(state.kubeconfig, tls_credentials.render_kubeconfig(credentials, port=server.port))
    claim.publish(Phase.SERVING, port=server.port)
    _log.info("version %s serves %s on port %d", VERSION, state.root, server.port)
    _report_ready(ready_fd)
    lifecycle.start()
    try:
        server.run()
    finally:
        faulthandler.dump_traceback_later(END_SECONDS, exit=True)
        lifecycle.stop()
        expiry.stop()
        manager.stop()
        agent.stop()
        history.close()
        store.close()
        _log.info("ended")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # before reading the flag: from here on a signal kills this process
    return Decision.STOP if stopped_by_signal else lifecycle.decision


def _install_runtimes(client: Client) -> None:
    """Create or replace the ClusterTrainingRuntimes of the runtimes folders; jobs keep a snapshot of theirs."""
    for runtime in runtimes.load_runtimes():
        name = runtime["metadata"]["name"]
        stored = client.find(CLUSTERTRAININGRUNTIMES, name)
        if stored is None:
            client.create(CLUSTERTRAININGRUNTIMES, runtime)
        elif stored["spec"] != defaults.apply_defaults(CLUSTERTRAININGRUNTIMES, copy.deepcopy(runtime))["spec"]:
            client.delete(CLUSTERTRAININGRUNTIMES, name)
            client.create(CLUSTERTRAININGRUNTIMES, runtime)


def _listen(
    core: ApiServer, files: tls_credentials.Credentials, *, preferred_port: int, activity: RequestActivity
) -> HttpsServer:
    """Listen on the port of the last daemon, so that kubeconfigs stay valid, or on any port if it is in use."""

    def listen_on(port: int) -> HttpsServer:
        return HttpsServer(
            core, certificate=files.certificate, key=files.key, token=files.token, port=port, activity=activity
        )

    try:
        return listen_on(preferred_port)
    except OSError as error:
        _log.info("port %d of the last daemon is in use (%s); choosing another", preferred_port, error)
        return listen_on(0)


def _report_ready(ready_fd: int | None) -> None:
    if ready_fd is not None:
        with suppress(BrokenPipeError), os.fdopen(ready_fd, "wb", buffering=0) as pipe:  # the launcher may have exited
            pipe.write(b"+")


if __name__ == "__main__":
    sys.exit(main())
