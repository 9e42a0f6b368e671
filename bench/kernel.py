"""A kernel with a front end that measures when messages arrive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

TIMEOUT = 300.0

Message = dict[str, Any]


class Kernel:
    """Runs cells and measures the arrival of their messages."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str) -> float:
        """Run a cell to its end and return its duration in seconds."""
        started_at = time.perf_counter()
        self._client.execute_interactive(code, timeout=TIMEOUT, output_hook=lambda _: None)
        return time.perf_counter() - started_at

    def printed(self, code: str) -> str:
        """Run a cell and return its printed text."""
        texts: list[str] = []
        self._client.execute_interactive(
            code, timeout=TIMEOUT, output_hook=lambda message: texts.append(message["content"].get("text", ""))
        )
        return "".join(texts).strip()

    def message_times(self, code: str, *predicates: Callable[[Message], bool]) -> list[float]:
        """Run a cell; return the seconds until the first message of each kind, in the order of `predicates`."""
        started_at, times = time.perf_counter(), []
        self._client.execute(code)
        for matches in predicates:
            while True:
                message = self._client.get_iopub_msg(timeout=TIMEOUT)
                if message["msg_type"] == "error":
                    raise RuntimeError("\n".join(message["content"]["traceback"]))
                if matches(message):
                    times.append(time.perf_counter() - started_at)
                    break
        return times


def is_card(message: Message) -> bool:
    """Return whether a message displays an output of the cell."""
    return bool(message["msg_type"] == "display_data")


def first_point() -> Callable[[Message], bool]:
    """Return a predicate for the message with the first metric of a job that is created from now on."""
    started_at = time.time()

    def is_point(message: Message) -> bool:
        state = (message["content"].get("data") or {}).get("state") or {} if message["msg_type"] == "comm_msg" else {}
        job = state.get("state") or {}
        return bool(job.get("metrics")) and job["created"] >= int(started_at)

    return is_point


@contextmanager
def kernel() -> Iterator[Kernel]:
    """Start a kernel with the extension."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(extra_arguments=["--log-level=40"])
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=TIMEOUT)
        yield Kernel(client)
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
        manager.shutdown_kernel(now=True)
