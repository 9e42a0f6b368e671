"""An API server on a new store, without agent and controllers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.client import Client


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.db")
    yield opened
    opened.close()


@pytest.fixture
def core(store: Store) -> ApiServer:
    return ApiServer(store, version="0.0.0", bookmark_seconds=0.05)


@pytest.fixture
def client(core: ApiServer) -> Client:
    return Client(core)
