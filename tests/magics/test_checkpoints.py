"""Checkpoints and files on an embedded cluster: resumed, restarted and forked jobs read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.magics.conftest import Shell
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.timeout(120)

CELL = """%%trainjob steps --runtime plain --nodes 2 {options}
import os, time
first = max((int(path.stem.split("-")[1]) for path in checkpoint_dir().glob("step-*")), default=0)
for step in range(first, last + 1):
    if os.environ["JOB_COMPLETION_INDEX"] == "0" and step and step % 10 == 0:
        draft = checkpoint_dir() / ".draft"
        draft.write_text(str(step))
        draft.rename(checkpoint_dir() / f"step-{{step}}")
    report(step=step, total=last)
    {then}
(output_dir() / "first.txt").write_text(str(first))
(first, last)
"""


@pytest.mark.journey
def test_resumed_job_and_fork_start_from_their_checkpoint(cluster: StateDir, shell: Shell, tmp_path: Path) -> None:
    shell.run("last = 20")
    shell.run(CELL.format(options="", then="time.sleep(300 if step == 20 else 0)"))
    job = shell.names["steps"]
    wait_for(lambda: (checkpoint := job.snapshot().checkpoint) is not None and checkpoint.step == 20)
    job.stop()
    job.resume()
    assert job.snapshot().checkpoint.name == "step-20"
    wait_for(lambda: job.status() == State.RUNNING)
    forked = job.fork(from_step=10, last=15, nodes=1)
    assert forked.result(timeout=patience(60)) == (10, 15)
    assert forked.snapshot().nodes == 1
    assert list(forked.files) == ["first.txt"]
    assert forked.files["first.txt"].read_text() == "10"
    assert forked.files["first.txt"].save(tmp_path).read_text() == "10"
    again = forked.fork(last=12)
    assert again.result(timeout=patience(60)) == (10, 12)
    folder = cluster.jobs / "default"
    assert sorted(path.name for path in (folder / again.name / "checkpoints").iterdir()) == ["step-10"]
    again.delete()
    wait_for(lambda: not (folder / again.name).exists())
    assert (folder / forked.name / "checkpoints" / "step-10").read_text() == "10"
    assert len(job.files) == 0
    assert "written nothing" in repr(job.files)
    job.delete()


def test_restarted_job_finds_its_checkpoints(cluster: StateDir, shell: Shell) -> None:
    shell.run("last = 20")
    crash = "if step == 10 and first == 0 and os.environ['JOB_COMPLETION_INDEX'] == '0': os._exit(3)"
    shell.run(CELL.format(options="--retries 1", then=crash))
    assert shell.names["steps"].result(timeout=patience(100)) == (10, 20)


def test_stopping_a_job_without_a_checkpoint_warns(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob bare --runtime plain\nimport time\ntime.sleep(300)")
    job = shell.names["bare"]
    wait_for(lambda: job.status() == State.RUNNING)
    with pytest.warns(errors.NoCheckpoint, match="has written no checkpoint"):
        job.stop()
    job.delete()
