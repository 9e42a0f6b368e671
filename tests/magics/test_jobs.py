"""Cells that run as jobs on an embedded cluster: results, failures, commands and limits."""

from __future__ import annotations

import re
import traceback

import pytest
import yaml

import jupyter_trainjob
from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import TRAINJOBS
from jupyter_trainjob.client import context
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.embedded import kill_daemon
from tests.magics.conftest import Shell
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.timeout(120)


@pytest.mark.journey
def test_cell_uses_names_of_the_notebook_and_returns_its_last_value(cluster: StateDir, shell: Shell) -> None:
    shell.run("FACTOR = 3\ndef scaled(x): return x * FACTOR")
    shell.run("%%trainjob answer --nodes 2 --runtime plain --out text\ntext = '$HOME `x` \\\\ ünï'\nscaled(14)")
    job = shell.names["answer"]
    assert job.result() == 42
    assert job.out["text"] == "$HOME `x` \\ ünï"
    assert job.status() == State.COMPLETE


@pytest.mark.journey
def test_dry_run_prints_the_bundle_and_sends_nothing(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("SIZE = 7")
    before = len(jupyter_trainjob.list_jobs())
    shell.run("%%trainjob sizes --nodes 3 --dry-run\nSIZE")
    shown = capsys.readouterr().out
    assert "SIZE" in shown
    assert "numNodes: 3" in shown
    assert len(jupyter_trainjob.list_jobs()) == before
    assert "sizes" not in shell.names


def test_commands_apply_to_the_job_of_the_variable(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("%%trainjob q --runtime plain\nimport time; time.sleep(60)")
    shell.run("%%trainjob q2 --runtime plain\n1")
    held = shell.names["q"]
    shell.run("%trainjob stop q")
    assert f"{held.name}: Stopped." in capsys.readouterr().out
    shell.run("%trainjob delete q")
    assert held.status() == State.DELETED
    assert shell.names["q2"].result(timeout=patience(60)) == 1


def test_wait_prints_the_states_of_the_job_without_a_front_end(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("%%trainjob --runtime plain --wait\n1")
    assert "Complete" in capsys.readouterr().out


@pytest.mark.journey
def test_exception_of_a_rank_is_raised_and_the_other_ranks_are_stopped(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "%%trainjob broken --nodes 5 --runtime plain\n"
        "import os, time\n"
        "rank = int(os.environ['JOB_COMPLETION_INDEX'])\n"
        "if rank == 3:\n"
        "    raise ValueError('not this one')\n"
        "time.sleep(600)"
    )
    job = shell.names["broken"]
    with pytest.raises(ValueError, match="not this one") as raised:
        job.result(timeout=patience(60))
    assert type(raised.value) is ValueError
    text = "".join(traceback.format_exception(raised.value))
    assert "line 5" in text
    assert "raise ValueError('not this one')" in text
    notes = raised.value.__notes__  # type: ignore[attr-defined]
    assert notes == [f"Job {job.name}: rank 3 (of 0–4) failed first; the other 4 were stopped."]
    assert job.status() == State.FAILED


@pytest.mark.journey
def test_killed_rank_is_named_with_its_exit_code(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob killed --nodes 2 --runtime plain\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(errors.JobFailed, match=r"rank \d was killed \(exit code 137, SIGKILL\)"):
        shell.names["killed"].result(timeout=patience(60))


def test_exit_code_137_is_a_failure(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob left --nodes 2 --runtime plain\nimport os\nos._exit(137)")
    with pytest.raises(errors.JobFailed, match="137"):
        shell.names["left"].result(timeout=patience(60))


def test_large_log_is_truncated_and_the_result_is_complete(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "%%trainjob flood --runtime plain\n"
        "for i in range(300_000):\n"
        "    print(i, 'x' * 100)\n"
        "    if i % 1000 == 0: report(step=i, total=300_000, loss=1.0)\n"
        "'dry again'"
    )
    job = shell.names["flood"]
    assert job.result(timeout=patience(300)) == "dry again"
    with pytest.warns(
        errors.LinesLeftOut, match=rf"^29\d,\d\d\d earlier lines of {job.name} are left out: of each node"
    ):
        assert len(job.logs()) < 5_000_000
    whole = job.logs(0, all_lines=True).splitlines()
    assert (len(whole), whole[0], whole[-1]) == (300_000, f"0 {'x' * 100}", f"299999 {'x' * 100}")
    assert len(job.logs(pattern="123456 ", all_lines=True).splitlines()) == 1
    assert len(job.metrics()["step"]) == 300
    assert len(job.snapshot().log) <= 200


@pytest.mark.journey
def test_job_continues_when_the_daemon_is_killed(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "%%trainjob tough --nodes 2 --runtime plain\n"
        "import time\n"
        "for step in range(40):\n"
        "    time.sleep(0.1)\n"
        "    report(step=step + 1, total=40)\n"
        "'still here'"
    )
    job = shell.names["tough"]
    wait_for(lambda: (job.snapshot().step or 0) > 2)
    kill_daemon(cluster)
    assert job.result(timeout=patience(60)) == "still here"
    assert sorted(set(job.metrics()["step"])) == list(range(1, 41))


@pytest.mark.journey
def test_stop_ends_the_programs_and_keeps_their_logs_and_metrics(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run(
        "%%trainjob endless --nodes 2 --runtime plain\n"
        "import time\n"
        "print('begun', flush=True)\n"
        "for step in range(10_000):\n"
        "    time.sleep(0.05)\n"
        "    report(step=step + 1)"
    )
    job = shell.names["endless"]
    wait_for(lambda: (job.snapshot().step or 0) > 2)
    shell.run("%trainjob stop endless")
    assert "Stopped" in capsys.readouterr().out
    assert job.status() == State.STOPPED
    with pytest.raises(errors.JobStopped):
        job.result()
    again = jupyter_trainjob.get(job.name)
    assert len(again.metrics()["step"]) > 2
    assert "begun" in again.logs(rank=1)


@pytest.mark.journey
def test_line_magic_lists_shows_and_deletes_jobs(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("%%trainjob small --runtime plain\nprint('said')")
    job = shell.names["small"]
    job.wait()
    capsys.readouterr()
    shell.run("%trainjob list")
    assert job.name in capsys.readouterr().out
    shell.run("%trainjob show small")
    shown = capsys.readouterr().out
    assert "Complete" in shown
    assert shown.endswith(" · in Python: small\n")
    shell.run("%trainjob logs small")
    assert "0 | said" in capsys.readouterr().out
    shell.run("%trainjob delete small")
    assert job.name not in [listed.name for listed in jupyter_trainjob.list_jobs()]


@pytest.mark.journey
def test_submit_runs_a_function_with_its_arguments_and_closure_variables(cluster: StateDir) -> None:
    offset = 40

    def add(a: int, *, b: int) -> int:
        return a + b + offset

    assert jupyter_trainjob.submit(add, 1, kwargs={"b": 1}, runtime="plain").result(timeout=patience(60)) == 42


def test_call_with_wrong_arguments_is_refused_before_anything_is_sent(cluster: StateDir, shell: Shell) -> None:
    shell.run("from jupyter_trainjob import trainjob\n@trainjob(runtime='plain')\ndef train(x, y):\n    return x")
    with pytest.raises(errors.UsageError, match=r"train\(\) cannot be called.*missing a required argument: 'y'"):
        shell.run("job = train(1)")
    assert "job" not in shell.names


def test_failing_call_is_shown_with_the_function_and_without_this_package(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run(
        "import inspect, jupyter_trainjob\n"
        "def train(x, y):\n"
        "    return x\n"
        "anything = inspect.Parameter('args', inspect.Parameter.VAR_POSITIONAL)\n"
        "train.__signature__ = inspect.Signature([anything])  # As a decorator may leave it.\n"
        "job = jupyter_trainjob.submit(train, 1, runtime='plain')"
    )
    capsys.readouterr()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        shell.run("job.result(timeout=60)")
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert "def train(x, y):" in shown
    assert "jupyter_trainjob" not in shown


def test_concurrent_jobs_have_separate_process_groups(cluster: StateDir, shell: Shell) -> None:
    cell = (
        "import torch, torch.distributed as dist\n"
        "dist.init_process_group('gloo')\n"
        "total = torch.tensor([float(MARK)])\n"
        "dist.all_reduce(total)\n"
        "dist.destroy_process_group()\n"
        "total.item()"
    )
    for mark, name in ((1, "first"), (100, "second")):
        shell.run(f"MARK = {mark}")
        shell.run(f"%%trainjob {name} --nodes 8\n{cell}")
    assert shell.names["first"].result(timeout=patience(100)) == 8
    assert shell.names["second"].result(timeout=patience(100)) == 800


@pytest.mark.journey
def test_job_larger_than_the_computer_is_queued_with_the_reason(cluster: StateDir) -> None:
    connection = context.connect()
    trainer = {"numNodes": 1, "command": ["true"], "resourcesPerNode": {"requests": {"cpu": "4000"}}}
    greedy = {"metadata": {"name": "greedy"}, "spec": {"runtimeRef": {"name": "plain"}, "trainer": trainer}}
    connection.client.create(TRAINJOBS, greedy, namespace="default")
    job = jupyter_trainjob.get("greedy")
    wait_for(lambda: "Insufficient cpu" in (job.snapshot().reason or ""))
    assert job.snapshot().state is State.QUEUED
    job.delete()


@pytest.mark.journey
def test_yaml_of_a_job_creates_an_equal_job(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob again --nodes 2 --runtime plain --env COLOUR=blue\n1")
    job = shell.names["again"]
    text = job.to_yaml()
    written = yaml.safe_load(text)
    assert written["spec"]["trainer"]["numNodes"] == 2
    assert {"name": "COLOUR", "value": "blue"} in written["spec"]["trainer"]["env"]
    assert "status" not in written
    assert "uid" not in written["metadata"]
    job.wait()
