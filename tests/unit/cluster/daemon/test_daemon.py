"""Daemon processes: start, stop, upgrade and restart."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import jupyter_trainjob
from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, NAMESPACES
from jupyter_trainjob.cluster.daemon import daemon_status, launcher
from jupyter_trainjob.cluster.daemon.daemon_status import Phase
from jupyter_trainjob.cluster.daemon.launcher import EmbeddedTransport
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.kube.client import Client
from tests.embedded import kill_daemon, processes_of
from tests.waiting import patience, wait_for

PACKAGE = Path(jupyter_trainjob.__file__).parent
NO_PYTHON = "/nonexistent/python"
"""An interpreter that does not exist: these tests need no fork server."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    state = StateDir(tmp_path / "state")
    yield state
    launcher.stop(state)
    wait_for(lambda: not processes_of(state))


def ensure_daemon(state: StateDir) -> Path:
    return launcher.ensure_daemon(state, warm=NO_PYTHON, notify=lambda _: None)


def running_info(state: StateDir) -> daemon_status.DaemonInfo:
    daemon = daemon_status.find_daemon(state)
    assert daemon is not None
    return daemon


def port_of(kubeconfig: Path) -> int:
    server = json.loads(kubeconfig.read_bytes())["clusters"][0]["cluster"]["server"]
    return int(server.rpartition(":")[2])


def test_port_in_use_is_replaced_in_the_kubeconfig(state: StateDir) -> None:
    before = port_of(ensure_daemon(state))
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    client.create(CONFIGMAPS, {"metadata": {"name": "kept"}}, namespace="default")
    launcher.stop(state)
    with socket.create_server(("127.0.0.1", before)):
        after = port_of(ensure_daemon(state))
        assert after != before
        assert running_info(state).port == after
        assert client.find(CONFIGMAPS, "kept", namespace="default"), "an existing client finds the new address"


def test_watching_transport_restarts_a_killed_daemon_but_not_a_stopped_one(state: StateDir) -> None:
    watcher = Client(EmbeddedTransport(state, warm=NO_PYTHON, watches=True))
    with pytest.raises(errors.ClusterError, match=launcher.NEVER_STARTED):
        watcher.list(NAMESPACES)
    ensure_daemon(state)
    assert watcher.list(NAMESPACES).items
    kill_daemon(state)
    assert watcher.list(NAMESPACES).items
    launcher.stop(state)
    with pytest.raises(errors.ClusterError, match=launcher.NOT_RUNNING):
        watcher.list(NAMESPACES)
    assert launcher.running_daemon(state) is None
    ensure_daemon(state)
    assert watcher.list(NAMESPACES).items


def test_watching_transport_does_not_restart_a_daemon_that_is_ending(state: StateDir) -> None:
    ensure_daemon(state)
    barrier = threading.Barrier(5)

    def watch() -> str:
        watcher = Client(EmbeddedTransport(state, warm=NO_PYTHON, watches=True))
        watcher.list(NAMESPACES)
        barrier.wait()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                watcher.list(NAMESPACES)
            except errors.ClusterError as error:  # noqa: PERF203 - until it fails
                return str(error)
        return "the daemon still runs"

    with ThreadPoolExecutor(4) as pool:
        watching = [pool.submit(watch) for _ in range(4)]
        barrier.wait()
        launcher.stop(state)
        assert {future.result() for future in watching} == {launcher.NOT_RUNNING}
    assert launcher.running_daemon(state) is None


def test_daemon_of_a_killed_launcher_is_used_by_the_next_one(state: StateDir) -> None:
    state.create()
    script = (
        "import sys; from pathlib import Path; from jupyter_trainjob.cluster.daemon import launcher;"
        "from jupyter_trainjob.cluster.state.state_dir import StateDir;"
        f"launcher.ensure_daemon(StateDir(Path(sys.argv[1])), warm={NO_PYTHON!r})"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(state.root)], cwd=PACKAGE.parent) as starter:
        wait_for(lambda: daemon_status.find_daemon(state) is not None)
        starter.kill()
    began = running_info(state)
    ensure_daemon(state)
    assert running_info(state).phase is Phase.SERVING
    assert began.pid in (0, running_info(state).pid), "no second daemon was started"


def test_concurrent_launchers_start_one_daemon(state: StateDir) -> None:
    ensure_daemon(state)
    first = running_info(state)
    os.kill(first.pid, signal.SIGTERM)
    wait_for(lambda: launcher.running_daemon(state) is None)
    failures: list[BaseException] = []

    def start() -> None:
        try:
            ensure_daemon(state)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    starters = [threading.Thread(target=start) for _ in range(8)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert not failures
    assert running_info(state).phase is Phase.SERVING
    assert running_info(state).pid != first.pid

    def daemons() -> list[int]:
        return [proc.pid for proc in processes_of(state) if "jupyter_trainjob.cluster.daemon.main" in proc.cmdline()]

    # A child of the daemon has the daemon's command line until it calls exec.
    wait_for(lambda: daemons() == [running_info(state).pid])


def test_daemon_can_be_stopped_while_starting(state: StateDir) -> None:
    document: list[str] = []

    def start() -> None:
        try:
            ensure_daemon(state)
        except errors.ClusterError as error:
            document.append(str(error))

    starting = threading.Thread(target=start)
    starting.start()
    wait_for(lambda: daemon_status.find_daemon(state) is not None)
    assert launcher.stop(state)
    starting.join()
    assert "ended at once" in document[0] or "ended as soon" in document[0]
    assert daemon_status.find_daemon(state) is None


def test_idle_daemon_stops_and_the_next_request_starts_it(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINJOB_IDLE_MINUTES", "0.02")
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    client.create(CONFIGMAPS, {"metadata": {"name": "kept"}}, namespace="default")
    port = running_info(state).port
    watch = client.watch(CONFIGMAPS, resource_version="0", namespace="default")
    with pytest.raises(AssertionError):
        wait_for(lambda: daemon_status.find_daemon(state) is None, limit=4)
    watch.close()
    wait_for(lambda: daemon_status.find_daemon(state) is None)
    client.create(CONFIGMAPS, {"metadata": {"name": "second"}}, namespace="default")
    assert running_info(state).port == port
    assert len(client.list(CONFIGMAPS, namespace="default").items) >= 2


def test_killed_daemon_loses_no_objects_and_its_daemon_file_is_ignored(state: StateDir) -> None:
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    client.create(CONFIGMAPS, {"metadata": {"name": "kept"}}, namespace="default")
    pid = kill_daemon(state)
    assert launcher.running_daemon(state) is None
    assert not launcher.stop(state), "the pid of a dead daemon is not signalled"
    assert client.find(CONFIGMAPS, "kept", namespace="default")
    assert running_info(state).pid != pid


@contextmanager
def daemon_of_a_copy(tmp_path: Path, state: StateDir) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], None]]]:
    """Run a daemon from a copy of the package; yield its process and a function that upgrades the copy."""
    copy = tmp_path / "site"
    shutil.copytree(PACKAGE, copy / "jupyter_trainjob", ignore=shutil.ignore_patterns("__pycache__"))
    constants = copy / "jupyter_trainjob" / "constants.py"
    state.create()
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "TRAINJOB_STATE_DIR": str(state.root),
    }
    command = [
        sys.executable,
        "-m",
        "jupyter_trainjob.cluster.daemon.main",
        "--warm",
        NO_PYTHON,
        "--check-seconds",
        "0.5",
    ]

    def upgrade() -> None:
        constants.write_text(constants.read_text().replace('VERSION: Final = "', 'VERSION: Final = "9.', 1))

    with (
        state.log.open("ab") as log,
        subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log) as daemon,
    ):
        try:
            wait_for(lambda: launcher.running_daemon(state))
            yield daemon, upgrade
        finally:
            daemon.terminate()


def test_upgraded_package_replaces_the_daemon_in_the_same_process(tmp_path: Path, state: StateDir) -> None:
    with daemon_of_a_copy(tmp_path, state) as (daemon, upgrade):
        client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
        watch = client.watch(NAMESPACES, resource_version="0")  # an open watch does not prevent the upgrade
        upgrade()
        wait_for(
            lambda: (launcher.running_daemon(state) or daemon_status.DaemonInfo()).version.startswith("9."),
        )
        assert running_info(state).pid == daemon.pid, "the process stays the same"
        watch.close()
        assert client.find(NAMESPACES, "default")
        launcher.stop(state)


def test_daemon_stopped_during_an_upgrade_does_not_restart(tmp_path: Path, state: StateDir) -> None:
    with daemon_of_a_copy(tmp_path, state) as (daemon, upgrade):
        watch = Client(EmbeddedTransport(state, warm=NO_PYTHON)).watch(NAMESPACES, resource_version="0")
        upgrade()
        wait_for(lambda: launcher.running_daemon(state) is None)
        assert running_info(state).pid == daemon.pid, "the lock is held without a gap"
        assert launcher.stop(state)
        daemon.wait(timeout=patience(60))
        watch.close()
        assert daemon_status.find_daemon(state) is None


def test_daemon_of_a_later_format_is_rejected(state: StateDir) -> None:
    ensure_daemon(state)
    document = json.loads(state.daemon.read_bytes())
    state.daemon.write_text(json.dumps({**document, "format": daemon_status.FORMAT + 1, "version": "9.9"}))
    with pytest.raises(errors.ClusterError, match=r"9\.9"):
        ensure_daemon(state)


def test_invalid_setting_is_an_error_in_the_launcher(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINJOB_KEEP_DAYS", "long")
    with pytest.raises(errors.UsageError, match="TRAINJOB_KEEP_DAYS"):
        ensure_daemon(state)
    assert daemon_status.find_daemon(state) is None


def test_unreadable_store_is_an_error_without_a_traceback(state: StateDir) -> None:
    state.create()
    state.store.write_bytes(b"this is no database" * 100)
    with pytest.raises(errors.ClusterError) as caught:
        ensure_daemon(state)
    assert "store.db" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_damaged_history_is_moved_aside(state: StateDir) -> None:
    state.create()
    state.history.write_bytes(b"this is no database" * 100)
    ensure_daemon(state)
    assert state.history.with_name("history.db.damaged").exists()


def test_daemon_stops_under_load(state: StateDir) -> None:
    ensure_daemon(state)
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    stopped = threading.Event()

    def write(number: int) -> None:
        with suppress(errors.TrainJobError):
            while not stopped.is_set():
                client.create(CONFIGMAPS, {"metadata": {"generateName": f"c{number}-"}}, namespace="default")

    watches = [client.watch(CONFIGMAPS, resource_version="0") for _ in range(8)]
    writers = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(4)]
    for writer in writers:
        writer.start()
    wait_for(lambda: len(client.list(CONFIGMAPS, namespace="default").items) > 20)
    stopped.set()
    assert launcher.stop(state)
    for watch in watches:
        watch.close()
    for writer in writers:
        writer.join(patience(60))
    launcher.stop(state)  # a writer may have started it again
