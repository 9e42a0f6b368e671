"""Fixtures of the agent's tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jupyter_trainjob.cluster.agent.containers.sandbox import Sandbox

from .cluster import SECONDS, Cluster, processes


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a cluster whose processes are all gone after the test, or the test fails."""
    root = Path(tempfile.mkdtemp(prefix="trainjob-agent-"))
    cluster = Cluster(root)
    try:
        yield cluster
        for agent in cluster.agents:
            agent.stop()
        folders = list((root / "pods").iterdir()) if (root / "pods").exists() else []
        for run in (run for folder in folders for run in Sandbox(folder).all_runs()):
            run.request_stop(0.0)
            run.wait()
        _, alive = psutil.wait_procs(processes(root), timeout=SECONDS)
        assert not alive, f"still running: {alive}"
    finally:
        for process in processes(root):
            process.kill()
        shutil.rmtree(root, ignore_errors=True)
