"""Completion and tooltips in a real kernel, about a running cluster."""

from __future__ import annotations

import pytest

import jupyter_trainjob
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.magics.conftest import Shell
from tests.unit.widget.kernels import Kernel, start_kernel
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.timeout(180)


def test_kernel_completes_options_jobs_and_runtimes_with_their_help(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob offered --runtime plain\n1")
    name = shell.names["offered"].name
    with start_kernel() as front:
        front.run("%load_ext jupyter_trainjob\nweights = 1")
        assert matches(front, "%%trainjob digits --nod") == ["--nodes"]
        assert matches(front, "%%trainjob digits --out wei") == ["weights"]
        # A cluster that takes long to answer is left out, and is there the next time.
        wait_for(lambda: matches(front, "%trainjob show offer") == [name])
        wait_for(lambda: matches(front, "%%trainjob --runtime torch-d") == ["torch-distributed"])
        answer = front.client.inspect("%%trainjob digits --nodes 2\n1", 20, reply=True, timeout=patience(60))["content"]
        assert answer["found"]
        assert "number of nodes" in answer["data"]["text/plain"]
        answer = front.client.inspect("weights", 3, reply=True, timeout=patience(60))["content"]
        assert "int" in answer["data"]["text/plain"], "all else is told as before"
    jupyter_trainjob.get(name).delete()


def matches(front: Kernel, code: str) -> list[str]:
    """Return the completions at the end of `code`."""
    words: list[str] = front.client.complete(code, reply=True, timeout=patience(60))["content"]["matches"]
    return words
