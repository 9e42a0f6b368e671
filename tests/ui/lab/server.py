"""A Jupyter server of a test: JupyterLab and Notebook 7 on one port, with all its files in one folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ui import tools
from tests.waiting import patience

START_TIMEOUT = patience(120)
NAME = "jupyter-trainjob"


@dataclass(frozen=True)
class Server:
    """A running server: its address, and the folder of its notebooks."""

    url: str
    token: str
    root: Path

    def options(self, **more: str) -> str:
        """Return the options of a topic, its first argument; see ``jupyter.mjs``."""
        options = {"url": self.url, "token": self.token, "root": str(self.root)}
        return json.dumps({**options, "chromium": tools.chromium(), "screenshots": tools.screenshots(), **more})


@contextmanager
def jupyter_server(
    folder: Path, *, again: Server | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start a server with the built extension, and end it with its kernels; `again` starts one in an existing folder.

    `variables` are in its environment besides.
    """
    root = folder / "notebooks"
    token = secrets.token_hex(16) if again is None else again.token
    port = free_port() if again is None else int(again.url.rpartition(":")[2])
    environment = prepared(folder, {"port": port, "port_retries": 0, "ip": "127.0.0.1"}, token)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"],
            cwd=root,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment, **(variables or {})},
        )
    server = Server(f"http://127.0.0.1:{port}", token, root)
    try:
        wait_for(lambda: ask(server, "/api/status"), process, folder / "server.log")
        yield server
    finally:
        with contextlib.suppress(OSError):
            ask(server, "/api/shutdown", method="POST")
        ended(process, 15)


def ended(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Wait for a process that was asked to end, and kill it if it does not."""
    try:
        process.wait(patience(timeout))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def prepared(folder: Path, app: dict[str, object], token: str | None = None) -> dict[str, str]:
    """Write the configuration of a server below `folder`, the folder of its notebooks; return its environment."""
    for name in ("notebooks", "config"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = _config(token, {**app, "root_dir": str(folder / "notebooks")})
    (folder / "config" / "jupyter_server_config.json").write_text(json.dumps(config))
    _settings(folder / "settings")
    _extensions(folder / "data" / "labextensions")
    return {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
    }


def _config(token: str | None, server: dict[str, object]) -> dict[str, dict[str, object]]:
    app: dict[str, object] = {"expose_app_in_browser": True}
    return {
        "ServerApp": {**server, "jpserver_extensions": {"jupyter_trainjob": True}},
        **({} if token is None else {"IdentityProvider": {"token": token}}),
        "LabApp": {**app, "check_for_updates_class": "jupyterlab.NeverCheckForUpdate"},
        "JupyterNotebookApp": app,
        "LanguageServerManager": {"autodetect": False},
        # A kernel lives as long as its server, so that a page can come back to it.
        "MappingKernelManager": {"cull_idle_timeout": 0},
    }


def _settings(folder: Path) -> None:
    """Disable news, updates, dialogs and automatic saving."""
    quiet = {
        "apputils-extension/themes": {"adaptive-theme": True},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "docmanager-extension/plugin": {"autosave": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, settings in quiet.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))


def _extensions(folder: Path) -> None:
    """Use the current build of the extension, not the installed copy."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / NAME).exists():
        (folder / NAME).symlink_to(tools.LABEXTENSION.parent / "jupyter_trainjob" / "labextension")


def wait_for(answer: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server that was started answers."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        with contextlib.suppress(OSError):
            answer()
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def ask(server: Server, path: str, *, method: str = "GET", body: object = None) -> bytes:
    """Send an authorized request to a server."""
    request = urllib.request.Request(
        server.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {server.token}"},
    )
    with urllib.request.urlopen(request, timeout=patience(60)) as answer:
        return bytes(answer.read())


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
