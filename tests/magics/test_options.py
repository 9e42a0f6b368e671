"""Job options and commands on an embedded cluster."""

from __future__ import annotations

import pytest

import jupyter_trainjob
from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAININGRUNTIMES
from jupyter_trainjob.client import context
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.constants import JOBSET_NAME
from tests.magics.conftest import Shell
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.timeout(120)

ENDLESS = "import time\nfor step in range(10_000):\n    time.sleep(0.05)\n    report(step=step + 1)"


def test_resource_options_are_set_in_the_pods(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob small --runtime plain --cpus 0.5 --memory 300Mi --image my/image:1 --deadline 1h\n7")
    job = shell.names["small"]
    assert job.result(timeout=patience(60)) == 7
    client = context.connect().client
    (pod,) = client.list(PODS, namespace="default", labels=f"{JOBSET_NAME}={job.name}").items
    (container,) = pod["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "300Mi"}
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "300Mi"}
    assert container["image"] == "my/image:1"
    assert "activeDeadlineSeconds: 3600" in job.to_yaml()


@pytest.mark.journey
def test_ranks_of_several_processes_per_node_form_one_group(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "%%trainjob crowd --nodes 2 --procs-per-node 2\n"
        "import torch, torch.distributed as dist\n"
        "dist.init_process_group('gloo')\n"
        "total = torch.tensor([float(dist.get_rank())])\n"
        "dist.all_reduce(total)\n"
        "dist.destroy_process_group()\n"
        "total.item()"
    )
    job = shell.names["crowd"]
    assert job.result(timeout=patience(100)) == 0 + 1 + 2 + 3
    assert job.snapshot().ranks == 4


@pytest.mark.journey
def test_job_with_retries_restarts_and_its_runtime_copy_is_deleted_with_it(cluster: StateDir, shell: Shell) -> None:
    shell.run("import pathlib, tempfile\nflag = pathlib.Path(tempfile.mkdtemp()) / 'tried'")
    shell.run(
        "%%trainjob second --runtime plain --retries 1\n"
        "if not flag.exists():\n"
        "    flag.touch()\n"
        "    raise ValueError('first time')\n"
        "'second time'"
    )
    job = shell.names["second"]
    assert job.result(timeout=patience(60)) == "second time"
    assert (job.snapshot().restarts, job.snapshot().runtime) == (1, "plain")
    assert job.name not in [runtime.name for runtime in jupyter_trainjob.list_runtimes()]
    reasons = {event["reason"] for event in job.events()}
    assert {"RestartJobSetFailurePolicyAction", "AllJobsCompleted", "Scheduled"} <= reasons
    job.delete()
    client = context.connect().client
    wait_for(lambda: client.find(TRAININGRUNTIMES, job.name, namespace="default") is None)


def test_failure_after_all_retries_names_their_number(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob never --runtime plain --retries 1\nraise ValueError('always')")
    with pytest.raises(ValueError, match="always") as raised:
        shell.names["never"].result(timeout=patience(60))
    assert "that was after 1 restart." in raised.value.__notes__[0]  # type: ignore[attr-defined]


def test_job_beyond_its_deadline_fails_with_the_reason(cluster: StateDir, shell: Shell) -> None:
    shell.run(f"%%trainjob late --runtime plain --deadline 2s\n{ENDLESS}")
    job = shell.names["late"]
    with pytest.raises(errors.JobFailed, match="longer than its deadline of 2s"):
        job.result(timeout=patience(60))
    assert any(event["object"].startswith("Pod/") for event in job.events()), "told though the JobSet is gone"


@pytest.mark.journey
def test_stopped_job_can_be_resumed_and_a_finished_one_cannot(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run(f"%%trainjob pausing --runtime plain\n{ENDLESS}")
    job = shell.names["pausing"]
    wait_for(lambda: (job.snapshot().step or 0) > 2)
    shell.run("%trainjob stop pausing")
    wait_for(lambda: job.snapshot().phases[-1].ended is not None)
    before = len(job.metrics()["step"])
    capsys.readouterr()
    shell.run("%trainjob resume pausing")
    assert job.name in capsys.readouterr().out
    wait_for(lambda: job.status() == State.RUNNING)
    wait_for(lambda: len(job.metrics()["step"]) > before)
    restarts = job.snapshot().restarts
    job.resume()
    wait_for(lambda: job.status() == State.RUNNING)  # The last steps of the stopped pod may have come late.
    assert job.snapshot().restarts == restarts, "resuming what runs changes nothing"
    shell.run("%%trainjob short --runtime plain\n1")
    shell.names["short"].wait(timeout=patience(60))
    with pytest.raises(errors.UsageError, match="Complete"):
        shell.names["short"].resume()
    job.delete()


def test_events_and_runtimes_are_printed_as_tables(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("%%trainjob told --runtime plain\n1")
    shell.names["told"].wait(timeout=patience(60))
    capsys.readouterr()
    shell.run("%trainjob events told")
    assert "SuccessfulCreate" in capsys.readouterr().out
    shell.run("%trainjob runtimes")
    assert "torch-distributed" in capsys.readouterr().out


@pytest.mark.journey
def test_call_of_a_decorated_function_is_a_job(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "from jupyter_trainjob import trainjob\n"
        "@trainjob(runtime='plain', nodes=2)\n"
        "def factorial(n): return 1 if n == 0 else n * factorial(n - 1)\n"
        "job = factorial(5)"
    )
    assert shell.names["job"].result(timeout=patience(60)) == 120
    assert shell.names["job"].name.startswith("factorial-")
    assert shell.names["factorial"].function(0) == 1


def test_use_prints_and_sets_the_cluster_of_jobs(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubeconfig")
    shell.run("%trainjob use")
    assert "this computer (trainjob-local), by default" in capsys.readouterr().out
    shell.run("%trainjob use trainjob-local --namespace mine")
    assert "by use(); namespace: mine" in capsys.readouterr().out
    jupyter_trainjob.use()
    monkeypatch.setenv("TRAINJOB_CONTEXT", "elsewhere")
    with pytest.raises(errors.UsageError, match="TRAINJOB_CONTEXT"):
        jupyter_trainjob.list_jobs()


@pytest.mark.journey
def test_doctor_finds_the_daemon(cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    context.connect().client.list(PODS)
    shell.run("%trainjob doctor")
    output = capsys.readouterr().out
    assert str(cluster.log) in output
    assert "✓ daemon" in output
