"""Jobs with ``--storage``: a claim, and a folder behind a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS
from jupyter_trainjob.client.context import connect
from jupyter_trainjob.client.submit import submit
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.waiting import wait_for

LARGE = b"x" * 17_000_000


def train(blob: bytes, lr: float) -> Any:
    import os

    from jupyter_trainjob import checkpoint_dir, output_dir

    found = sorted(path.name for path in checkpoint_dir().iterdir())
    if os.environ["JOB_COMPLETION_INDEX"] == "0" and not found:
        (checkpoint_dir() / "step-1").write_text("a")
        (checkpoint_dir() / "step-2").mkdir()
        (checkpoint_dir() / "step-2" / "weights").write_text("b")
        (output_dir() / "model.txt").write_text("hello")
        raise ValueError("the first attempt")
    return found, len(blob), lr


def large() -> bytes:
    return b"r" * 2_000_000


def endless() -> None:
    import time

    from jupyter_trainjob import checkpoint_dir

    (checkpoint_dir() / "step-4").write_text("a")
    time.sleep(600)


@pytest.mark.timeout(120)
def test_claim_keeps_checkpoints_for_restarts(cluster: StateDir) -> None:
    with pytest.raises(errors.UsageError, match="no PersistentVolumeClaim disk in namespace default: it has none"):
        submit(train, LARGE, 0.1, nodes=2, runtime="plain", storage="pvc://disk")
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "disk", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    connect(None).client.create(PERSISTENTVOLUMECLAIMS, claim)
    with pytest.raises(errors.UsageError, match="there are disk"):
        submit(train, LARGE, 0.1, storage="pvc://dusk")

    job = submit(train, LARGE, 0.1, nodes=2, runtime="plain", retries=1, storage="pvc://disk/team")
    assert job.results() == [(["step-1", "step-2"], len(LARGE), 0.1)] * 2
    not_readable = f"The files of {job.name} are in the PersistentVolumeClaim disk, in team/{job.name}"
    for ask in (lambda: len(job.files), lambda: job.fork(from_step=1)):
        with pytest.raises(errors.UsageError, match=not_readable):
            ask()
    refused = submit(large, runtime="plain", storage="pvc://disk")
    with pytest.raises(errors.JobFailed, match="no folder that the notebook can read"):
        refused.result()


@pytest.mark.timeout(120)
@pytest.mark.journey
def test_url_storage_has_checkpoints_results_and_files(cluster: StateDir, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/bucket"
    job = submit(train, LARGE, kwargs={"lr": 0.1}, nodes=2, runtime="plain", retries=1, storage=url)
    assert job.results() == [(["step-1", "step-2"], len(LARGE), 0.1)] * 2
    assert job.files["model.txt"].read_text() == "hello"
    assert job.files["model.txt"].save(tmp_path).read_text() == "hello"
    with pytest.raises(errors.UsageError, match="no checkpoint of step 7: available are steps 1, 2"):
        job.fork(from_step=7)
    forks = {("step-1",): job.fork(from_step=1, lr=5.0), ("step-1", "step-2"): job.fork(lr=5.0)}
    big = submit(large, runtime="plain", storage=url)
    stopped = submit(endless, runtime="plain", storage=url)
    for names, fork in forks.items():
        assert fork.result() == (list(names), len(LARGE), 5.0)
    assert big.result() == b"r" * 2_000_000

    wait_for(lambda: stopped.snapshot().checkpoint is not None)
    stopped.stop()
    with pytest.raises(errors.JobStopped):
        stopped.wait()
    checkpoint = tmp_path / "bucket" / stopped.name / "checkpoints" / "step-4"
    wait_for(checkpoint.is_file)
