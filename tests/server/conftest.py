"""Fixtures: a Jupyter server with the extension, in the test process, and a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403 - its fixtures, and its hook that runs async tests

from jupyter_trainjob.client import context
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import STATE_DIR_ENV
from tests.server.cluster import NAME, Cluster
from tests.server.session_threads import RunningThreads


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Use a state folder and connections of each test's own."""
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path / "state"))
    context.forget_connections()
    yield tmp_path / "state"
    context.forget_connections()


@pytest.fixture
def session_threads() -> RunningThreads:
    """Return the threads of sessions that are started from now on."""
    return RunningThreads()


@pytest.fixture  # type: ignore[no-redef]
def jp_server_config() -> dict[str, Any]:
    """Enable the extension; the login cookie is the same under each host name."""
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_trainjob": True}},
        "IdentityProvider": {"cookie_name": "login"},
    }


@pytest.fixture
def cluster(state_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Return a cluster with the context `NAME`."""
    store = Store(tmp_path / "store.db")
    cluster = Cluster(ApiServer(store, version="0.0.0"))
    connection = Connection(NAME, cluster.client, "default")
    monkeypatch.setitem(context._connections, NAME, connection)
    yield cluster
    connection.history.close()
    store.close()
