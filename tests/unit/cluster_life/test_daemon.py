"""Whole daemons: how they come, go, replace one another and start again."""

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
from jupyter_trainjob.cluster import launch, presence
from jupyter_trainjob.cluster.launch import EmbeddedTransport
from jupyter_trainjob.cluster.presence import Phase
from jupyter_trainjob.cluster.state import StateDir
from jupyter_trainjob.kube.client import Client
from tests.embedded import kill_daemon, processes_of, wait_for

PACKAGE = Path(jupyter_trainjob.__file__).parent
NO_PYTHON = "/nonexistent/python"
"""An interpreter that nothing is imported for: these tests need no fork server."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    found = StateDir(tmp_path / "state")
    yield found
    launch.stop(found)
    wait_for(lambda: not processes_of(found))


def ensure(state: StateDir) -> Path:
    return launch.ensure(state, warm=NO_PYTHON, tell=lambda _: None)


def found(state: StateDir) -> presence.Running:
    daemon = presence.find(state)
    assert daemon is not None
    return daemon


def port_of(kubeconfig: Path) -> int:
    server = json.loads(kubeconfig.read_bytes())["clusters"][0]["cluster"]["server"]
    return int(server.rpartition(":")[2])


def test_a_port_that_somebody_took_is_replaced_and_the_kubeconfig_says_so(state: StateDir) -> None:
    before = port_of(ensure(state))
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    client.create(CONFIGMAPS, {"metadata": {"name": "kept"}}, namespace="default")
    launch.stop(state)
    with socket.create_server(("127.0.0.1", before)):
        after = port_of(ensure(state))
        assert after != before
        assert found(state).port == after
        assert client.find(CONFIGMAPS, "kept", namespace="default"), "a client of before finds the new address"


def test_who_only_watches_starts_a_daemon_that_was_killed_but_none_that_was_stopped(state: StateDir) -> None:
    watcher = Client(EmbeddedTransport(state, warm=NO_PYTHON, watches=True))
    with pytest.raises(errors.ClusterError, match="was stopped"):
        watcher.list(NAMESPACES)
    ensure(state)
    assert watcher.list(NAMESPACES).items
    kill_daemon(state)
    assert watcher.list(NAMESPACES).items
    launch.stop(state)
    with pytest.raises(errors.ClusterError, match="was stopped"):
        watcher.list(NAMESPACES)
    assert launch.running(state) is None
    ensure(state)
    assert watcher.list(NAMESPACES).items


def test_who_watches_while_a_daemon_ends_does_not_start_it_again(state: StateDir) -> None:
    ensure(state)
    begun = threading.Barrier(5)

    def watch() -> str:
        watcher = Client(EmbeddedTransport(state, warm=NO_PYTHON, watches=True))
        watcher.list(NAMESPACES)
        begun.wait()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                watcher.list(NAMESPACES)
            except errors.ClusterError as error:  # noqa: PERF203 - until it fails
                return str(error)
        return "it is still there"

    with ThreadPoolExecutor(4) as pool:
        watching = [pool.submit(watch) for _ in range(4)]
        begun.wait()
        launch.stop(state)
        assert all("was stopped" in each.result() for each in watching)
    assert launch.running(state) is None


def test_a_starter_that_is_killed_leaves_a_daemon_to_the_next_one(state: StateDir) -> None:
    state.create()
    script = (
        "import sys; from pathlib import Path; from jupyter_trainjob.cluster import launch;"
        "from jupyter_trainjob.cluster.state import StateDir;"
        f"launch.ensure(StateDir(Path(sys.argv[1])), warm={NO_PYTHON!r})"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(state.root)], cwd=PACKAGE.parent) as starter:
        wait_for(lambda: presence.find(state) is not None)
        starter.kill()
    began = found(state)
    ensure(state)
    assert found(state).phase is Phase.SERVING
    assert began.pid in (0, found(state).pid), "there was no second one"


def test_many_starters_get_one_daemon_through_its_end(state: StateDir) -> None:
    ensure(state)
    first = found(state)
    os.kill(first.pid, signal.SIGTERM)
    wait_for(lambda: launch.running(state) is None)
    failures: list[BaseException] = []

    def start() -> None:
        try:
            ensure(state)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    starters = [threading.Thread(target=start) for _ in range(8)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert not failures
    assert found(state).phase is Phase.SERVING
    assert found(state).pid != first.pid

    def daemons() -> list[int]:
        return [one.pid for one in processes_of(state) if "jupyter_trainjob.cluster.daemon" in one.cmdline()]

    # What a daemon starts has its words until it has its own.
    wait_for(lambda: daemons() == [found(state).pid])


def test_a_daemon_is_ended_while_it_starts(state: StateDir) -> None:
    said: list[str] = []

    def start() -> None:
        try:
            ensure(state)
        except errors.ClusterError as error:
            said.append(str(error))

    starting = threading.Thread(target=start)
    starting.start()
    wait_for(lambda: presence.find(state) is not None)
    assert launch.stop(state)
    starting.join()
    assert "ended at once" in said[0] or "ended as soon" in said[0]
    assert presence.find(state) is None


def test_nobody_needs_it_so_it_ends_and_the_next_request_starts_it_again(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINJOB_IDLE_MINUTES", "0.02")
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    client.create(CONFIGMAPS, {"metadata": {"name": "kept"}}, namespace="default")
    port = found(state).port
    watch = client.watch(CONFIGMAPS, resource_version="0", namespace="default")
    with pytest.raises(AssertionError):
        wait_for(lambda: presence.find(state) is None, timeout=4)
    watch.close()
    wait_for(lambda: presence.find(state) is None)
    client.create(CONFIGMAPS, {"metadata": {"name": "second"}}, namespace="default")
    assert found(state).port == port
    assert len(client.list(CONFIGMAPS, namespace="default").items) >= 2


def test_a_killed_daemon_has_lost_nothing_and_its_last_word_counts_no_more(state: StateDir) -> None:
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    client.create(CONFIGMAPS, {"metadata": {"name": "kept"}}, namespace="default")
    pid = kill_daemon(state)
    assert launch.running(state) is None
    assert not launch.stop(state), "nobody is signalled under the pid of a dead daemon"
    assert client.find(CONFIGMAPS, "kept", namespace="default")
    assert found(state).pid != pid


@contextmanager
def daemon_of_a_copy(tmp_path: Path, state: StateDir) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], None]]]:
    """Run a daemon from a copy of the package; yield it, and what replaces the copy by version 9."""
    copy = tmp_path / "site"
    shutil.copytree(PACKAGE, copy / "jupyter_trainjob", ignore=shutil.ignore_patterns("__pycache__"))
    constants = copy / "jupyter_trainjob" / "constants.py"
    state.create()
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "TRAINJOB_STATE_DIR": str(state.root),
    }
    command = [sys.executable, "-m", "jupyter_trainjob.cluster.daemon", "--warm", NO_PYTHON, "--look-seconds", "0.5"]

    def upgrade() -> None:
        constants.write_text(constants.read_text().replace('VERSION: Final = "', 'VERSION: Final = "9.', 1))

    with (
        state.log.open("ab") as log,
        subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log) as daemon,
    ):
        try:
            wait_for(lambda: launch.running(state))
            yield daemon, upgrade
        finally:
            daemon.terminate()


def test_after_an_upgrade_the_new_package_runs_in_the_old_ones_place(tmp_path: Path, state: StateDir) -> None:
    with daemon_of_a_copy(tmp_path, state) as (daemon, upgrade):
        client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
        watch = client.watch(NAMESPACES, resource_version="0")  # does not keep it from its upgrade
        upgrade()
        wait_for(lambda: (launch.running(state) or presence.Running()).version.startswith("9."), timeout=60)
        assert found(state).pid == daemon.pid, "whoever started it still owns it"
        watch.close()
        assert client.find(NAMESPACES, "default")
        launch.stop(state)


def test_who_is_told_to_end_during_an_upgrade_leaves_no_successor(tmp_path: Path, state: StateDir) -> None:
    with daemon_of_a_copy(tmp_path, state) as (daemon, upgrade):
        watch = Client(EmbeddedTransport(state, warm=NO_PYTHON)).watch(NAMESPACES, resource_version="0")
        upgrade()
        wait_for(lambda: launch.running(state) is None, timeout=60)
        assert found(state).pid == daemon.pid, "from one to the other it is held without a gap"
        assert launch.stop(state)
        daemon.wait(timeout=60)
        watch.close()
        assert presence.find(state) is None


def test_a_later_format_is_refused_before_anything_is_sent(state: StateDir) -> None:
    ensure(state)
    said = json.loads(state.daemon.read_bytes())
    state.daemon.write_text(json.dumps({**said, "format": presence.FORMAT + 1, "version": "9.9"}))
    with pytest.raises(errors.ClusterError, match=r"9\.9"):
        ensure(state)


def test_a_wrong_setting_is_told_to_the_starter(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINJOB_KEEP_DAYS", "long")
    with pytest.raises(errors.UsageError, match="TRAINJOB_KEEP_DAYS"):
        ensure(state)
    assert presence.find(state) is None


def test_a_store_that_cannot_be_read_is_told_in_words(state: StateDir) -> None:
    state.create()
    state.store.write_bytes(b"this is no database" * 100)
    with pytest.raises(errors.ClusterError) as caught:
        ensure(state)
    assert "store.db" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_damaged_history_is_put_aside(state: StateDir) -> None:
    state.create()
    state.history.write_bytes(b"this is no database" * 100)
    ensure(state)
    assert state.history.with_name("history.db.damaged").exists()


def test_a_daemon_ends_soon_however_much_is_asked_of_it(state: StateDir) -> None:
    ensure(state)
    client = Client(EmbeddedTransport(state, warm=NO_PYTHON))
    halted = threading.Event()

    def ask(number: int) -> None:
        with suppress(errors.TrainJobError):
            while not halted.is_set():
                client.create(CONFIGMAPS, {"metadata": {"generateName": f"c{number}-"}}, namespace="default")

    watches = [client.watch(CONFIGMAPS, resource_version="0") for _ in range(8)]
    askers = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(4)]
    for asker in askers:
        asker.start()
    wait_for(lambda: len(client.list(CONFIGMAPS, namespace="default").items) > 20)
    halted.set()
    assert launch.stop(state)
    for watch in watches:
        watch.close()
    for asker in askers:
        asker.join(60)
    launch.stop(state)  # one of them may have started it again
