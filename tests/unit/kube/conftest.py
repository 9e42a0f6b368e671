"""Fixtures: a fake API server and an informer on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_trainjob.api.resources import CONFIGMAPS
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer

from .fake_server import Server


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def informer(server: Server) -> Iterator[Informer]:
    informer = Informer(Client(server), CONFIGMAPS)
    yield informer
    informer.stop()
