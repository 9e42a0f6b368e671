"""``--secret`` on an embedded cluster: only the cell can read the value; it is stored and shown nowhere else."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
from pathlib import Path

import pytest
from IPython.core.error import UsageError

from jupyter_trainjob import submit
from jupyter_trainjob.api.resources import ALL, SECRETS
from jupyter_trainjob.client.trainjob import TrainJob, live_job
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.magics.conftest import Shell
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.timeout(120)

HIDDEN = "-".join(["nobody", "may", "ever", "read", "this", "1749"])  # noqa: FLY002
"""Not written out, since jobs of other tests pack this very file."""
HELPER = "def called():\n    return api_token[:6]"
CELL = """%%trainjob asks --runtime plain --nodes 2 --retries 1 --secret api_token --secret OF_KERNEL=OF_JOB {options}
import os
print("the token is", api_token, flush=True)
!echo the command says $api_token and $OF_JOB
assert api_token == os.environ["api_token"], "both"
{then}
(called(), api_token[6:12], os.environ["OF_JOB"][:6])
"""


def texts(job: TrainJob) -> str:
    """Return all texts about a job that a user can see, except for its logs."""
    shown = [job.to_yaml(), job.to_magic(), job.to_sdk(), repr(job), json.dumps(job.record), repr(job.snapshot())]
    return "\n".join([*shown, str(live_job(job).details()), *(str(event) for event in job.events())])


def stored_objects(job: TrainJob) -> str:
    """Return all objects of a namespace with decoded Secrets, except for the Secret with the values."""
    client = live_job(job).connection.client
    texts = []
    for resource in ALL:
        for obj in client.list(resource).items:
            if resource == SECRETS and obj["metadata"]["name"].endswith("-secrets"):
                continue
            texts.append(json.dumps(obj))
            for data in (obj.get("data") or {}).values() if resource == SECRETS else ():
                raw = base64.b64decode(data)
                texts.append((gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("latin-1"))
    return "\n".join(texts)


@pytest.mark.journey
def test_secret_is_available_to_the_cell_and_stored_nowhere_else(
    cluster: StateDir, shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OF_KERNEL", HIDDEN[::-1])
    shell.run(f"api_token = {HIDDEN!r}")
    shell.run(HELPER)
    shell.run(CELL.format(options="--dry-run", then=""))
    shell.run(CELL.format(options="", then=""))
    job = shell.names["asks"]
    value = (HIDDEN[:6], HIDDEN[6:12], HIDDEN[::-1][:6])
    assert job.result(timeout=patience(100)) == value
    log = str(job.logs())
    assert "the token is ***" in log
    assert "the command says *** and ***" in log
    printed = capsys.readouterr().out
    assert "secret api_token, as the variable api_token of each rank" in printed
    shown = "\n".join([printed, log, texts(job), stored_objects(job)])
    assert HIDDEN not in shown
    assert HIDDEN[::-1] not in shown
    assert "--secret api_token --secret OF_KERNEL=OF_JOB" in job.to_magic()
    assert [name for name, *_ in next(part.rows for part in live_job(job).details() if part.title == "Secrets")] == [
        "api_token",
        "OF_KERNEL",
    ]
    assert _files_with(HIDDEN, cluster) == []
    # The same job again, and one that goes on from it, have it too, though the notebook has not any more.
    shell.run("del api_token")
    assert job.rerun().result(timeout=patience(100)) == value
    assert job.fork(nodes=1).result(timeout=patience(100)) == value
    names = {obj["metadata"]["name"] for obj in live_job(job).connection.client.list(SECRETS).items}
    job.delete()
    secret_name = f"{job.name}-secrets"
    assert secret_name in names
    wait_for(
        lambda: (
            secret_name not in {obj["metadata"]["name"] for obj in live_job(job).connection.client.list(SECRETS).items}
        )
    )


def test_secret_is_masked_in_an_exception(cluster: StateDir, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_KERNEL", HIDDEN[::-1])
    shell.run(f"api_token = {HIDDEN!r}")
    shell.run(HELPER)
    shell.run(
        CELL.format(options="", then="raise PermissionError(13, f'refused: {api_token}')").replace("--retries 1", "")
    )
    job = shell.names["asks"]
    with pytest.raises(PermissionError, match=r"refused: \*\*\*"):
        job.result(timeout=patience(100))
    shown = "\n".join([str(job.logs()), texts(job), stored_objects(job), repr(job.failure)])
    assert HIDDEN not in shown
    assert _files_with(HIDDEN, cluster) == []


def test_secret_is_available_to_a_function(cluster: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_KERNEL", HIDDEN)

    def call() -> str:
        import os

        return os.environ["OF_JOB"][:6]

    job = submit(call, runtime="plain", secrets=["OF_KERNEL=OF_JOB"])
    assert job.result(timeout=patience(100)) == HIDDEN[:6]


@pytest.mark.parametrize(
    ("line", "cell", "complaint"),
    [
        ("--secret nowhere", "1", "neither the notebook nor the environment of its kernel has nowhere"),
        ("--secret number", "number", "must be a string"),
        ("--secret 'a b'", "1", "takes the name of a variable"),
        ("--secret api_token=1x", "1", "cannot be the name of an environment variable"),
        ("--secret api_token=TRAINJOB_FOLDER", "1", "cannot be the name of an environment variable"),
        ("--secret api_token=A --env A=1", "1", "--env has the environment variable A already"),
        ("--secret api_token --out api_token", "print(api_token)", "that is a secret"),
        ("--secret api_token", f"x = '{HIDDEN}'\nprint(x)", "line 2 contains the value of --secret api_token"),
        (f"--secret api_token --env A={HIDDEN}", "1", "--secret api_token=A instead"),
    ],
)
def test_usage_error_does_not_contain_the_secret(
    cluster: StateDir, shell: Shell, line: str, cell: str, complaint: str
) -> None:
    shell.run(f"api_token, number = {HIDDEN!r}, 3")
    with pytest.raises(UsageError) as refused:
        shell.run(f"%%trainjob bad --runtime plain {line}\n{cell}")
    assert complaint in str(refused.value)
    assert HIDDEN not in str(refused.value)


def test_helper_searches_the_files_of_the_cluster(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob tells --runtime plain\nprint('said' + ' aloud')")
    shell.names["tells"].result(timeout=patience(100))
    assert _files_with("said aloud", cluster)


def _files_with(text: str, cluster: StateDir) -> list[Path]:
    """Return the files of the cluster that contain a text: logs, histories, frames and job folders.

    But for what a container is started with, which holds its environment, as the files of a container runtime do.
    """
    paths = []
    for path in cluster.root.rglob("*"):
        with contextlib.suppress(OSError):  # It went while we looked, or is no file.
            if path.name != "spec.json" and not path.is_symlink() and path.is_file():
                paths += [path] * (text.encode() in path.read_bytes())
    return paths
