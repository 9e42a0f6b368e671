"""An API server in process, and controllers that are stopped after each test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.shared_informers import SharedInformers
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller

from .world import Start, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path / "store.db")
    yield World(Client(ApiServer(store, version="0.0.0")))
    store.close()


@pytest.fixture
def start(world: World) -> Iterator[Start]:
    informers = SharedInformers(world.client)
    running: list[Controller] = []

    def started(factory: Callable[[Client, SharedInformers], Controller]) -> None:
        controller = factory(world.client, informers)
        running.append(controller)
        controller.start()

    yield started
    # Stopping waits for the informers' threads: stop all controllers in parallel.
    threads = [threading.Thread(target=controller.stop) for controller in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
