"""Real kernels, and a front end that exchanges messages with them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.needs import install
from tests.paths import ROOT
from tests.waiting import patience

OLDER = "ipykernel==6.29.5"
"""The last version without subshells: it handles messages of a front end between cells only."""
TIMEOUT = patience(90)
WAKE_SECONDS = 5.0
VIEW = "application/vnd.jupyter.widget-view+json"


class Kernel:
    """A kernel and its front end, which sends to a subshell if the kernel has them, as JupyterLab does."""

    def __init__(self, client: BlockingKernelClient, manager: KernelManager) -> None:
        self.client = client
        self.manager = manager
        self.interrupt = manager.interrupt_kernel
        self.subshell = self._subshell()

    def run(self, code: str) -> str:
        """Run code without waiting for it, and return the id of the request.

        With ``stop_on_error``, a kernel would abort the requests that follow an error.
        """
        return str(self.client.execute(code, stop_on_error=False))

    def send_message(self, comm: str, content: dict[str, Any]) -> None:
        """Send a custom message to a widget."""
        message = self.client.session.msg(
            "comm_msg", {"comm_id": comm, "data": {"method": "custom", "content": content}}
        )
        message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def wait_for(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the next message that `matches`; fail at an error of a cell."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                message: dict[str, Any] = self.client.get_iopub_msg(timeout=WAKE_SECONDS)
            except Empty:
                self._wake()
                continue
            assert message["msg_type"] != "error", "\n".join(message["content"]["traceback"])
            if matches(message):
                return message
        raise TimeoutError(f"The kernel sent no such message within {TIMEOUT:.0f} s.")

    def wait_for_message(self, kind: str, **entries: Any) -> dict[str, Any]:
        """Return the next custom message of a widget with these entries, and its buffers."""

        def matches(message: dict[str, Any]) -> bool:
            data = message["content"].get("data") or {}
            content = data.get("content") if data.get("method") == "custom" else None
            return content is not None and {"kind": kind, **entries}.items() <= content.items()

        message = self.wait_for(matches)
        return {**message["content"]["data"]["content"], "buffers": message["buffers"]}

    def wait_for_comm(self) -> str:
        """Return the comm of the next widget, which handles messages once its view is displayed."""
        message = self.wait_for(
            lambda m: m["msg_type"] == "comm_open" and "_esm" in (m["content"]["data"].get("state") or {})
        )
        return str(message["content"]["comm_id"])

    def wait_for_view(self, *, update: bool = False) -> dict[str, Any]:
        """Return the next output with a view; the card of a submission is none."""
        kinds = ("update_display_data",) if update else ("display_data", "update_display_data")

        def is_view(message: dict[str, Any]) -> bool:
            return message["msg_type"] in kinds and VIEW in message["content"]["data"]

        content: dict[str, Any] = self.wait_for(is_view)["content"]
        return content

    def run_and_read(self, code: str) -> str:
        """Run code that prints one line, and return it."""
        self.run(code)
        return str(self.wait_for(lambda m: m["msg_type"] == "stream")["content"]["text"]).strip()

    def _wake(self) -> None:
        """Make the kernel read the requests that it has received.

        Before 7.4, ipykernel forgets a request that arrives while it sends a reply, until somebody else connects:
        https://github.com/ipython/ipykernel/issues/1554
        """
        connection = self.manager.connect_shell()
        self.client.session.send(connection, "kernel_info_request")
        connection.close()

    def _subshell(self) -> str | None:
        info = self.client.kernel_info(reply=True, timeout=TIMEOUT)["content"]
        if "kernel subshells" not in (info.get("supported_features") or ()):
            return None
        self.client.control_channel.send(self.client.session.msg("create_subshell_request", {}))
        reply = self.client.control_channel.get_msg(timeout=TIMEOUT)
        return str(reply["content"]["subshell_id"])


@contextmanager
def start_kernel(*, path: Path | None = None) -> Iterator[Kernel]:
    """Start a kernel, with packages from `path` before those of the environment."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(ROOT), env={**os.environ, **({"PYTHONPATH": str(path)} if path else {})})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=patience(60))
        yield Kernel(client, manager)
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
        manager.shutdown_kernel(now=True)


def install_older(folder: Path) -> Path:
    """Install the older ipykernel into a folder; skip the test if that fails, except in CI."""
    install(Path(sys.executable), OLDER, "nest-asyncio", options=("--no-deps", "--target", str(folder)))
    return folder
