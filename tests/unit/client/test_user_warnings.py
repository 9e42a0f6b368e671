"""Warnings are a line of a notebook's output, and warnings of Python elsewhere; filters hold in both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from jupyter_trainjob import errors
from jupyter_trainjob.client import user_warnings
from tests.waiting import patience

WARN = "def stop(): user_warnings.warn(errors.NoCheckpoint('job-a'), stacklevel=2)\nstop()"
IMPORTS = "import warnings\nfrom jupyter_trainjob import errors\nfrom jupyter_trainjob.client import user_warnings\n"


@pytest.fixture(scope="module")
def kernel() -> Iterator[BlockingKernelClient]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=patience(60))
        yield client
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
        manager.shutdown_kernel(now=True)


def run(client: BlockingKernelClient, code: str) -> list[tuple[str, str]]:
    """Run code in the kernel, and return what it puts out: the name of each stream or error, with its text."""
    messages: list[tuple[str, str]] = []

    def collect(message: dict[str, dict[str, str]]) -> None:
        content = message["content"]
        if "ename" in content:
            messages.append(("error", content["ename"]))
        elif "name" in content:
            messages.append((content["name"], content["text"]))

    client.execute_interactive(IMPORTS + code, timeout=patience(60), output_hook=collect)
    return messages


def test_warning_in_a_notebook_is_one_line_of_output(kernel: BlockingKernelClient) -> None:
    for _ in range(2):
        ((stream, text),) = run(kernel, WARN)
        assert stream == "stdout"
        assert text.startswith("Note: job-a has written no checkpoint: ")
        assert text.count("\n") == 1
        assert "ipykernel" not in text


def test_warning_in_a_notebook_obeys_filters(kernel: BlockingKernelClient) -> None:
    filtered = "with warnings.catch_warnings():\n    warnings.simplefilter({!r}, errors.NoCheckpoint)\n    stop()"
    run(kernel, WARN)
    assert run(kernel, filtered.format("ignore")) == []
    assert ("error", "NoCheckpoint") in run(kernel, filtered.format("error"))
    assert run(kernel, "warnings.warn('theirs')")[0][0] == "stderr", "other warnings stay as they are"


def test_warning_in_a_script_names_the_line_that_caused_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS + WARN], capture_output=True, text=True, check=True, timeout=patience(60)
    )
    assert done.stdout == ""
    assert "<string>:5: NoCheckpoint: job-a has written no checkpoint" in done.stderr
    with pytest.warns(errors.NoCheckpoint, match="job-b"):
        user_warnings.warn(errors.NoCheckpoint("job-b"))
