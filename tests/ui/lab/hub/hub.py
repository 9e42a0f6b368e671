"""A JupyterHub with configurable-http-proxy on loopback: two users and a URL prefix."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.ui import tools
from tests.ui.lab.server import Server, ask, ended, free_port, prepared, wait_for

PREFIX = "/school/"
USERS = ("ada", "bob")
PASSWORD = secrets.token_hex(16)
PROXY = tools.LABEXTENSION / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"


@dataclass(frozen=True)
class Hub:
    """A running hub; `token` belongs to a service with all permissions."""

    url: str
    token: str
    folder: Path
    pid: int

    def ask(self, path: str, *, method: str = "GET", body: object = None) -> Any:
        """Send a request to the hub's API."""
        api = Server(f"{self.url}hub/api/", self.token, self.folder)
        return json.loads(ask(api, path, method=method, body=body) or b"null")

    def server(self, user: str) -> Server:
        """Return a user's server and a token with that user's permissions."""
        token = self.ask(f"users/{user}/tokens", method="POST", body={"note": "test"})["token"]
        return Server(f"{self.url}user/{user}", token, self.folder / user / "notebooks")

    def proxy(self) -> int:
        """Return the process of the proxy, a child of the hub's."""
        (proxy,) = (process for process in psutil.Process(self.pid).children() if str(PROXY) in process.cmdline())
        return int(proxy.pid)


@contextlib.contextmanager
def jupyterhub(folder: Path) -> Iterator[Hub]:
    """Start a hub, and end it with all its processes."""
    token, port = secrets.token_hex(16), free_port()
    environments = {user: prepared(folder / user, {}) for user in USERS}
    config = {
        "JupyterHub": {
            "bind_url": f"http://127.0.0.1:{port}{PREFIX}",
            "hub_bind_url": f"http://127.0.0.1:{free_port()}",
            "authenticator_class": "dummy",
            "spawner_class": "simple",
            "db_url": f"sqlite:///{folder / 'hub.sqlite'}",
            "cookie_secret_file": str(folder / "cookie-secret"),
            "services": [{"name": "test", "api_token": token}],
            "load_roles": [
                {"name": "test", "scopes": ["admin:users", "admin:servers", "tokens"], "services": ["test"]}
            ],
            "log_level": "WARN",
        },
        "ConfigurableHTTPProxy": {
            "api_url": f"http://127.0.0.1:{free_port()}",
            "command": [tools.node(), str(PROXY)],
            "pid_file": str(folder / "proxy.pid"),
            "check_running_interval": 1,
        },
        "DummyAuthenticator": {"password": PASSWORD, "allowed_users": list(USERS)},
        "SimpleLocalProcessSpawner": {"home_dir_template": str(folder / "homes" / "{username}")},
        "Spawner": {"default_url": "/lab", "http_timeout": 60, "args": ["--allow-root"]},
    }
    script = folder / "jupyterhub_config.py"
    script.write_text(_script(config, environments))
    log = folder / "hub.log"
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "--config", str(script)],
            cwd=folder,
            stdout=log_file,
            stderr=log_file,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
    hub = Hub(f"http://127.0.0.1:{port}{PREFIX}", token, folder, process.pid)
    try:
        wait_for(lambda: hub.ask(""), process, log)
        yield hub
    finally:
        process.terminate()
        ended(process, 20)
        for proxy in _proxies(port):  # A hub that checks its proxy while it ends starts another one.
            with contextlib.suppress(psutil.NoSuchProcess):
                proxy.kill()


def _proxies(port: int) -> list[psutil.Process]:
    """Return the running proxies that listen on a port."""
    words = {process: process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])}
    return [process for process, line in words.items() if str(PROXY) in line and str(port) in line]


def _script(config: dict[str, Any], environments: dict[str, dict[str, str]]) -> str:
    """Return a configuration that gives each user a separate environment."""
    return f"""
import json
from traitlets.config import Config

c.update(Config(json.loads({json.dumps(config)!r})))
environments = json.loads({json.dumps(environments)!r})


def own(spawner):
    spawner.environment.update(environments[spawner.user.name])


c.Spawner.pre_spawn_hook = own
c.Spawner.env_keep = {["PATH", "PYTHONPATH", "VIRTUAL_ENV", "TRAINJOB_STATE_DIR", "LANG"]!r}
"""
