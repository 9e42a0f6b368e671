"""Real kernels for the widget to live in, and a front end that speaks to them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.needs import lacking, uv

ROOT = Path(__file__).parents[3]
OLDER = "ipykernel==6.29.5"
"""The last kernels that hear a page only between cells."""
TIMEOUT = 90.0


class Kernel:
    """A kernel and its front end, which asks over a subshell where there are any, as JupyterLab does."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.subshell = self._subshell()

    def run(self, code: str) -> None:
        """Have code run; what it says can be waited for."""
        self.client.execute(code)

    def tell(self, comm: str, content: dict[str, Any]) -> None:
        """Send a custom message to a widget."""
        message = self.client.session.msg(
            "comm_msg", {"comm_id": comm, "data": {"method": "custom", "content": content}}
        )
        message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the next message that is wanted; fail at an error of a cell."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            message: dict[str, Any] = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            assert message["msg_type"] != "error", "\n".join(message["content"]["traceback"])
            if wanted(message):
                return message

    def said(self, kind: str, **entries: Any) -> dict[str, Any]:
        """Return the next custom message of a widget with these entries, and its buffers."""

        def wanted(message: dict[str, Any]) -> bool:
            data = message["content"].get("data") or {}
            content = data.get("content") if data.get("method") == "custom" else None
            return content is not None and {"kind": kind, **entries}.items() <= content.items()

        message = self.until(wanted)
        return {**message["content"]["data"]["content"], "buffers": message["buffers"]}

    def opened(self) -> str:
        """Return the comm of the next widget of ours."""
        message = self.until(
            lambda m: m["msg_type"] == "comm_open" and "_esm" in (m["content"]["data"].get("state") or {})
        )
        return str(message["content"]["comm_id"])

    def shown(self, *, update: bool = False) -> dict[str, Any]:
        """Return the next output."""
        kind = "update_display_data" if update else "display_data"
        content: dict[str, Any] = self.until(lambda m: m["msg_type"] == kind)["content"]
        return content

    def printed(self, code: str) -> str:
        """Run code that prints one line, and return it."""
        self.run(code)
        return str(self.until(lambda m: m["msg_type"] == "stream")["content"]["text"]).strip()

    def _subshell(self) -> str | None:
        info = self.client.kernel_info(reply=True, timeout=TIMEOUT)["content"]
        if "kernel subshells" not in (info.get("supported_features") or ()):
            return None
        self.client.control_channel.send(self.client.session.msg("create_subshell_request", {}))
        reply = self.client.control_channel.get_msg(timeout=TIMEOUT)
        return str(reply["content"]["subshell_id"])


@contextmanager
def started(*, path: Path | None = None) -> Iterator[Kernel]:
    """Start a kernel, with packages from `path` before those of the environment."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(ROOT), env={**os.environ, **({"PYTHONPATH": str(path)} if path else {})})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def install_older(folder: Path) -> Path:
    """Install the older ipykernel into a folder; skip the test where there is no way, but never in CI."""
    command = [uv(), "pip", "install", "--quiet", "--no-deps", "--target", str(folder), OLDER, "nest-asyncio"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        lacking(f"cannot install {OLDER}: {done.stderr}")
    return folder
