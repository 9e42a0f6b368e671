"""Results of jobs on the embedded cluster: of every rank, of any size, and errors."""

from __future__ import annotations

import re

import pytest
from IPython.core.error import UsageError

import jupyter_trainjob
from jupyter_trainjob import errors
from jupyter_trainjob.cli.main import main
from jupyter_trainjob.client import context
from jupyter_trainjob.client.results import job_folder
from jupyter_trainjob.client.trainjob import live_job
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.magics.conftest import Shell
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.timeout(120)


@pytest.mark.journey
def test_results_have_the_value_of_every_rank(cluster: StateDir, shell: Shell) -> None:
    shell.run("class Shard:\n    def __init__(self, number): self.number = number")
    shell.run(
        "%%trainjob shards --nodes 3 --runtime plain --out text\n"
        "import os\n"
        "text = 'of rank ' + os.environ['JOB_COMPLETION_INDEX']\n"
        "Shard(int(os.environ['JOB_COMPLETION_INDEX']))"
    )
    job = shell.names["shards"]
    values = job.results(timeout=patience(60))
    assert [value.number for value in values] == [0, 1, 2]
    assert {type(value) for value in values} == {shell.names["Shard"]}
    assert values[0] is job.result()
    assert job.out == {"text": "of rank 0"}


def test_missing_value_of_a_rank_raises_only_when_it_is_read(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "%%trainjob mixed --nodes 3 --runtime plain\n"
        "import os\n"
        "rank = int(os.environ['JOB_COMPLETION_INDEX'])\n"
        "(step for step in 'ab') if rank == 1 else rank"
    )
    values = shell.names["mixed"].results(timeout=patience(60))
    assert (values[0], values[2], values[::2], len(values)) == (0, 2, [0, 2], 3)
    assert repr(values) == "[0, <no result of rank 1>, 2]"
    with pytest.raises(errors.NoResult, match=r"Rank 1 of mixed-..... returned no value: a generator cannot"):
        values[1]
    with pytest.raises(errors.NoResult, match="Rank 1"):
        sum(values)


def test_value_that_cannot_be_sent_back_takes_no_other_with_it(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "%%trainjob trained --runtime plain --out best,rows,never\n"
        "best = 0.9\n"
        "rows = (row for row in [best])\n"
        "if best < 0:\n"
        "    never = 1\n"
        "'done'"
    )
    job = shell.names["trained"]
    assert job.result(timeout=patience(60)) == "done"
    assert (job.out["best"], set(job.out), job.status()) == (0.9, {"best"}, "Complete")
    with pytest.raises(errors.MissingOut, match=r"rows was not returned: a generator cannot be .* Assign to rows"):
        job.out["rows"]
    with pytest.raises(errors.MissingOut, match=r"never was not returned: the cell ended without assigning it\."):
        job.out["never"]
    shown = job.snapshot().warnings
    assert [warning.partition(":")[0] for warning in shown] == [
        "--out never was not returned",
        "--out rows was not returned",
    ]


@pytest.mark.parametrize("runtime", ["plain", "torch-distributed"])
def test_job_ends_though_the_cell_left_threads_running(cluster: StateDir, shell: Shell, runtime: str) -> None:
    shell.run(
        f"%%trainjob left --runtime {runtime} --linger 1s\n"
        "import multiprocessing, threading\n"
        "threading.Thread(target=threading.Event().wait, name='prefetch-0').start()\n"
        "multiprocessing.get_context('fork').Process(target=threading.Event().wait, name='helper').start()\n"
        "7"
    )
    job = shell.names["left"]
    assert job.result(timeout=patience(60)) == 7
    assert re.search(
        r"thread 'prefetch-0', process 'helper' \(pid \d+\), which the cell had started, still", job.logs()
    )
    assert "--linger 1s" in job.to_magic()


@pytest.mark.journey
def test_large_values_of_all_ranks_are_read_from_the_jobs_folder(cluster: StateDir, shell: Shell) -> None:
    shell.run("import numpy as np\nbig = np.arange(5_000_000)")
    shell.run(
        "%%trainjob large --nodes 2 --runtime plain --out twice\n"
        "import os\n"
        "twice = big * 2\n"
        "{'rank': int(os.environ['JOB_COMPLETION_INDEX']), 'sum': big.sum(), 'twice': twice}"
    )
    job = shell.names["large"]
    first, second = job.results(timeout=patience(60))
    assert first["twice"] is job.out["twice"]
    assert (first["twice"] == shell.names["big"] * 2).all()
    assert (second["rank"], second["sum"]) == (1, shell.names["big"].sum())
    again = jupyter_trainjob.get(job.name)
    (folder,) = cluster.jobs.glob(f"*/{job.name}")
    assert sorted(path.name for path in folder.iterdir()) == ["captures", "results"]
    file = folder / "results" / "rank-0"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(errors.JobFailed, match="does not carry the job's signature"):
        again.result()
    file.unlink()
    with pytest.raises(errors.NoResult, match="cannot be read"):
        again.result()
    job.delete()
    wait_for(lambda: not folder.exists())


def test_rejected_cell_leaves_no_draft(cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run("big = bytes(20_000_000)\nlines = (line for line in 'ab')\nboth = [big, lines]")
    with pytest.raises(UsageError, match=re.escape("both[1]")):
        shell.run("%%trainjob never --runtime plain\nboth")
    shell.run("%%trainjob never --runtime plain --dry-run\nlen(big)")
    assert re.search(r"20,000,0\d\d B in 1 Secret and a file", capsys.readouterr().out)
    assert list(cluster.jobs.glob(".*")) == []


def test_logs_are_filtered_by_pattern(cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run(
        "%%trainjob talks --nodes 2 --runtime plain\n"
        "import os\n"
        "print('loss 0.5')\nprint('ERROR: disk', os.environ['JOB_COMPLETION_INDEX'])\nprint('Loss 0.25')"
    )
    job = shell.names["talks"]
    job.wait(patience(60))
    assert job.logs(1, pattern="loss") == "loss 0.5\nLoss 0.25"
    assert job.logs(0, pattern=r"\d\.\d{2}", regex=True) == "Loss 0.25"
    assert sorted(job.logs(errors_only=True).splitlines()) == ["0 | ERROR: disk 0", "1 | ERROR: disk 1"]
    assert list(job.logs(1, follow=True, errors_only=True)) == ["ERROR: disk 1"]
    capsys.readouterr()
    shell.run("%trainjob logs talks --rank 0 --errors --pattern DISK")
    assert capsys.readouterr().out == "ERROR: disk 0\n"
    assert main(["logs", job.name, "--rank", "1", "--regex", "--pattern", "^l.*25"]) == 0
    assert capsys.readouterr().out == "Loss 0.25\n"
    with pytest.raises(errors.UsageError, match="not a valid regular expression"):
        job.logs(pattern="(", regex=True)


def test_files_of_a_job_exclude_paths_outside_of_its_folder(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "%%trainjob writes --runtime plain\n"
        "import os, pathlib\n"
        "place = pathlib.Path(os.environ['TRAINJOB_FOLDER'], 'output')\n"
        "place.mkdir()\n"
        "(place / 'a.txt').write_text('é')\n"
        "(place / 'link').symlink_to('/etc/passwd')"
    )
    job = shell.names["writes"]
    job.result(patience(60))
    folder = job_folder.find_job_folder(context.connect(), live_job(job).trainjob)
    assert folder is not None
    assert {path: entry.size for path, entry in folder.list("output").items()} == {"output/a.txt": 2}
    with folder.read("output/a.txt") as file:
        assert file.read().decode() == "é"
    for path in ("../../daemon.json", "output/link"):
        with pytest.raises(PermissionError):
            folder.read(path)
