"""Runs corpus cases in a real kernel, as a cell and as a job, and compares the values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.paths import ROOT
from tests.waiting import patience

from .case import Case

TIMEOUT = patience(120)
_PREPARE = f"""
import sys
sys.path.append({str(ROOT)!r})
%load_ext jupyter_trainjob
import tests.notebooks.corpus.compare
"""
_FORGET = "get_ipython().reset(new_session=False)\nimport sys"
_COMPARE = """
_theirs_ = sys.modules["tests.notebooks.corpus.compare"].difference({ours}, job.result(timeout=90))
print("DIFFERENCE", _theirs_)
"""


class CellError(Exception):
    """A cell raised an exception; the message is its traceback."""


class Kernel:
    """A kernel that runs one cell after the other."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, source: str) -> tuple[int, str]:
        """Run a cell; return its number and what it printed. Raises `CellError`."""
        printed: list[str] = []

        def hook(message: Mapping[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(source, timeout=TIMEOUT, output_hook=hook, allow_stdin=False)
        content = reply["content"]
        if content["status"] != "ok":
            raise CellError(f"{content.get('ename')}: {content.get('evalue')}")
        return int(content["execution_count"]), "".join(printed)

    def difference(self, case: Case) -> str:
        """Return how the job's value differs from the notebook's own; empty if it does not."""
        self.run(_FORGET)
        for cell in case.before:
            self.run(cell)
        self.run(f"%%trainjob job --runtime {case.runtime} {case.options}\n{case.cell}")
        if case.expected:
            ours = f"({case.expected})"
        else:
            number, _ = self.run(case.cell)
            ours = f"_oh.get({number})"
        _, printed = self.run(_COMPARE.format(ours=ours))
        return printed.partition("DIFFERENCE ")[2].strip()


@contextmanager
def started(folder: Path, *, python: Path | None = None) -> Iterator[Kernel]:
    """Start a kernel in a folder, of this Python or another."""
    manager = KernelManager(kernel_name="python3")
    if python is not None:
        manager.kernel_spec.argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.start_kernel(cwd=str(folder), env=dict(os.environ))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=TIMEOUT)
        kernel = Kernel(client)
        kernel.run(_PREPARE)
        yield kernel
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
        manager.shutdown_kernel(now=True)
