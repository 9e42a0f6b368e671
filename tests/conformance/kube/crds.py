"""Installs the package's CRDs on a real API server."""

from __future__ import annotations

import contextlib
import time
from typing import Final

import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CUSTOMRESOURCEDEFINITIONS, KubeObject
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Transport
from tests.paths import ROOT
from tests.waiting import patience

FOLDER: Final = ROOT / "jupyter_trainjob" / "api" / "schemas" / "crds"
SERVED_TIMEOUT: Final = patience(60)


def install(transport: Transport) -> None:
    """Create missing definitions, and wait until their kinds are served."""
    client = Client(transport)
    definitions: list[KubeObject] = [yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))]
    for definition in definitions:
        with contextlib.suppress(errors.AlreadyExists):
            client.create(CUSTOMRESOURCEDEFINITIONS, definition)
    for definition in definitions:
        for version in definition["spec"]["versions"]:
            group_version = f"apis/{definition['spec']['group']}/{version['name']}"
            _wait_until_served(client, f"/{group_version}/{definition['spec']['names']['plural']}")
            _wait_until_served(client, f"/openapi/v3/{group_version}")  # kubectl asks for it


def _wait_until_served(client: Client, path: str) -> None:
    deadline = time.monotonic() + SERVED_TIMEOUT
    while True:
        try:
            client.raw(Request("GET", path)).read()
        except errors.ApiError:  # noqa: PERF203
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
