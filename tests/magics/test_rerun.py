"""Rerun, copied cells, and exports for the Kubeflow SDK."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import jupyter_trainjob
from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS
from jupyter_trainjob.bundle.delivery import bundle_secret
from jupyter_trainjob.client import context
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.embedded import embedded_cluster
from tests.magics.conftest import Shell
from tests.needs import install, uv
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.timeout(180)
SDK = "kubeflow==0.5.0"
CELL = """%%trainjob answer --nodes 2 --runtime plain --env 'A={{x}} $HOME' --out text
import os
text = '''$HOME
`x` ünï'''
print('rank', os.environ['JOB_COMPLETION_INDEX'], os.environ['A'])
scaled(14)"""
SEND = """
import runpy, sys
sent = [runpy.run_path(path) for path in sys.argv[1:]]
for each in sent:
    client, name = each["client"], each["name"]
    job = client.wait_for_job_status(name, status={"Complete", "Failed"}, timeout=60, polling_interval=1)
    print("said", job.status, job.num_nodes, *client.get_job_logs(name))
"""


@pytest.mark.journey
def test_rerun_in_another_kernel_assigns_the_new_job_to_the_variable(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("FACTOR = 3\ndef scaled(x): return x * FACTOR")
    shell.run(CELL)
    first = shell.names["answer"]
    assert first.result() == 42
    shell.run("del scaled, FACTOR, answer")
    context.forget_connections()
    shell.run(f"%trainjob rerun {first.name}")
    again = shell.names["answer"]
    assert f"{again.name} is {first.name} sent again; answer holds it." in capsys.readouterr().out
    assert (again.uid, again.name) != (first.uid, first.name)
    assert again.result() == 42
    assert again.out["text"] == "$HOME\n`x` ünï"
    assert again.logs(1) == first.logs(1) == "rank 1 {x} $HOME"
    first.delete()
    assert again.rerun().result() == 42, "it needs nothing of the first"


def test_rerun_does_not_overwrite_a_variable_with_another_value(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob kept --runtime plain\n1")
    name = shell.names["kept"].name
    shell.run("kept = 'mine'")
    shell.run(f"%trainjob rerun {name}")
    assert shell.names["kept"] == "mine"


def test_rerun_of_a_job_without_its_bundle_is_an_error_with_a_remedy(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob gone --runtime plain\n1")
    job = shell.names["gone"]
    job.result()
    job.delete()
    client = context.connect().client
    wait_for(lambda: client.find(SECRETS, bundle_secret(job.name), namespace=job.namespace) is None)
    with pytest.raises(errors.UsageError, match=r"cannot be sent again: its Secret .* was deleted.* Run its cell"):
        job.rerun()


@pytest.mark.journey
def test_exported_cell_gives_the_same_result(cluster: StateDir, shell: Shell) -> None:
    shell.run("FACTOR = 3\ndef scaled(x): return x * FACTOR")
    shell.run(CELL)
    first = shell.names["answer"]
    text = first.to_magic()
    assert text == f"{CELL}\n"
    shell.run(text)
    again = shell.names["answer"]
    assert again.uid != first.uid
    assert again.result() == first.result() == 42
    assert again.to_magic() == text


def test_rerun_of_a_job_with_captures_in_files(cluster: StateDir, shell: Shell) -> None:
    shell.run("big = bytes(20_000_000)")
    shell.run("%%trainjob large --runtime plain\nlen(big)")
    first = shell.names["large"]
    assert first.result() == 20_000_000
    again = first.rerun()
    first.delete()
    assert again.result() == 20_000_000


@pytest.mark.journey
def test_sdk_runs_the_exported_code(tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "sdk" / "bin" / "python"
    subprocess.run([uv(), "venv", "-q", str(tmp_path / "sdk")], check=True, timeout=patience(120))
    install(python, SDK)
    home = tmp_path / "home"  # The SDK leaves its script in the folder that its pods start in.
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with embedded_cluster(tmp_path / "state") as state:
        shell.run("import os\nFACTOR = 3\ndef scaled(x): return x * FACTOR")
        shell.run(
            "%%trainjob plain --nodes 2 --cpus 0.1 --runtime plain --env A=1 --deadline 5m\n"
            "from jupyter_trainjob import report\n"
            "report(step=1, loss=0.5)\nprint('answer', scaled(14), os.environ['A'])"
        )
        shell.run("%%trainjob odd --runtime plain\nprint('answer $HOME `id` \\\\')")
        exported = [tmp_path / f"{job}_exported.py" for job in ("plain", "odd")]
        for path, job in zip(exported, ("plain", "odd"), strict=True):
            path.write_text(shell.names[job].to_sdk())
        ran = subprocess.run(
            [python, "-c", SEND, *exported],
            env={**os.environ, "KUBECONFIG": str(launcher.ensure_daemon(state))},
            capture_output=True,
            text=True,
            timeout=patience(120),
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        reports = [line for line in ran.stdout.splitlines() if line.startswith("said")]
        assert reports == ["said Complete 2 answer 42 1", "said Complete 1 answer $HOME `id` \\"]
        assert len(jupyter_trainjob.list_jobs()) == 4
