"""An API server in process, and controllers on it that end with the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller

from .world import Start, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path / "store.db")
    yield World(Client(Core(store, version="0.0.0")))
    store.close()


@pytest.fixture
def start(world: World) -> Iterator[Start]:
    informers = Informers(world.client)
    running: list[Controller] = []

    def started(make: Callable[[Client, Informers], Controller]) -> None:
        made = make(world.client, informers)
        running.append(made)
        made.start()

    yield started
    # Each waits for its informers' threads; together they wait once.
    threads = [threading.Thread(target=controller.stop) for controller in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
