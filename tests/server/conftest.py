"""A Jupyter server in process with the extension, for every test here; pytest-jupyter's fixtures hold for no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403 - its fixtures, and its hook that runs async tests

from jupyter_trainjob.client import context
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.constants import STATE_DIR_ENV
from tests.server.cluster import NAME, Cluster


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep every test's connections, and what they write, to itself."""
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path / "state"))
    context.forget()
    yield tmp_path / "state"
    context.forget()


@pytest.fixture  # type: ignore[no-redef]
def jp_server_config() -> dict[str, Any]:
    """Switch the extension on; a login holds under every name of this computer."""
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_trainjob": True}},
        "IdentityProvider": {"cookie_name": "login"},
    }


@pytest.fixture
def cluster(state_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Make a cluster, to which connects who asks for the context `NAME`."""
    store = Store(tmp_path / "store.db")
    made = Cluster(Core(store, version="0.0.0"))
    connection = Connection(NAME, made.client, "default")
    monkeypatch.setitem(context._connections, NAME, connection)
    yield made
    connection.history.close()
    store.close()
