"""A Jupyter server in process with the extension, for every test here; pytest-jupyter's fixtures hold for no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403 - its fixtures, and its hook that runs async tests

from jupyter_trainjob.client import context
from jupyter_trainjob.constants import STATE_DIR_ENV


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep every test's connections, and what they write, to itself."""
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path / "state"))
    context.forget()
    yield tmp_path / "state"
    context.forget()


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Switch the extension on."""
    return {"ServerApp": {"jpserver_extensions": {"jupyter_trainjob": True}}}
