"""Programs that start from a fork server, compared with the same programs under torchrun."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_trainjob.api.resources import PODS, SECRETS, KubeObject
from jupyter_trainjob.cluster.agent.containers.container_run import State
from jupyter_trainjob.cluster.agent.containers.torchrun_env import ARCHIVE
from tests import needs
from tests.paths import ROOT
from tests.unit.cluster.agent.cluster import ALLOWED, SUBSTITUTE, Cluster, processes
from tests.waiting import patience

needs.module("torch")

SECONDS = patience(60)
WARM_ONLY = {
    # Each of torchrun's workers gets a new temporary file.
    "TORCHELASTIC_ERROR_FILE",
}

DUMP = """
import decimal, gc, json, locale, logging, multiprocessing, os, random, resource, signal, sys, tempfile, threading
import warnings
import numpy, torch
with warnings.catch_warnings(record=True) as heard:
    warnings.warn("careful")
print(json.dumps({
    "environ": dict(os.environ),
    "argv": sys.argv,
    "path": sys.path,
    "name": __name__,
    "file": __file__,
    "executable": sys.executable,
    "threads": torch.get_num_threads(),
    "main": sorted(sys.modules["__main__"].__dict__.keys()),
    "stdout": [sys.stdout.encoding, sys.stdout.errors, sys.stdout.write_through],
    "stdin": sys.stdin.read(),
    "signals": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    "umask": oct(os.umask(0o022)),
    "locale": locale.setlocale(locale.LC_ALL),
    "temporary": tempfile.gettempdir(),
    "filters": [str(entry) for entry in warnings.filters if entry[1] is None and entry[2].__module__ == "builtins"],
    "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__],
    "decimal": str(decimal.getcontext()),
    "handlers": str(logging.getLogger().handlers),
    "children": len(multiprocessing.active_children()),
    "limits": [resource.getrlimit(number) for number in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)],
    "priority": os.getpriority(os.PRIO_PROCESS, 0),
    "collected": gc.isenabled(),
    "beside": sorted({"shim", "namespaces", "enforce", "cgroups", "logwriter", "processes"} & sys.modules.keys()),
    "alive": threading.active_count(),
    "cwd": os.getcwd(),
    "warned": len(heard),
    "files": sorted(set(os.listdir("/dev/fd"))),
    "random": [random.random(), numpy.random.rand(), torch.rand(1).item()],
    "authkey": multiprocessing.current_process().authkey.hex(),
}))
"""
REDUCE = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
value = torch.ones(1000) * (dist.get_rank() + 1)
dist.all_reduce(value)
product = float((torch.ones(400, 400) @ torch.ones(400, 400))[0, 0])
print("sum", int(value[0]), "world", dist.get_world_size(), "product", int(product), flush=True)
dist.barrier()
dist.destroy_process_group()
"""


def deliver(cluster: Cluster, code: str, name: str = "bundle") -> None:
    """Store a bundle whose program is `code`."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as pyz:
        pyz.writestr("__main__.py", code)
    data = {"job.pyz": base64.b64encode(archive.getvalue()).decode()}
    cluster.client.create(SECRETS, {"metadata": {"name": name}, "data": data}, namespace="default")


def start(
    cluster: Cluster, *, name: str = "one", rank: int = 0, world: int = 1, job: str = "job", **env: str
) -> KubeObject:
    """Start one rank of a job with a pod as the controllers create it."""
    variables = {
        "PET_NNODES": str(world),
        "PET_NPROC_PER_NODE": "1",
        "PET_NODE_RANK": str(rank),
        "PET_MASTER_ADDR": f"{job}-node-0-0.{job}",
        "PET_MASTER_PORT": "29500",
        **env,
    }
    container = {
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "volumeMounts": [{"name": "bundle", "mountPath": "/trainjob", "readOnly": True}],
    }
    volume = {"name": "bundle", "projected": {"sources": [{"secret": {"name": "bundle"}}]}}
    return cluster.run(
        "torchrun",
        ARCHIVE,
        name=name,
        container=container,
        volumes=[volume],
        hostname=f"{job}-node-0-{rank}",
        subdomain=job,
        labels={"jobset.sigs.k8s.io/jobset-uid": f"{cluster.root.name}-{job}", "jobset.sigs.k8s.io/jobset-name": job},
    )


def was_warm(cluster: Cluster, name: str) -> bool:
    spec: dict[str, Any] = json.loads((cluster.newest(name).folder / "spec.json").read_text())
    return str(spec["argv"][0]).endswith("job.pyz")


@pytest.mark.parametrize("isolation", [ALLOWED, SUBSTITUTE], ids=["namespaces", "substitution"])
def test_warm_program_has_the_same_environment_as_under_torchrun(cluster: Cluster, isolation: Any) -> None:
    cluster.agent(isolation)
    deliver(cluster, DUMP)
    placed: dict[str, dict[str, Any]] = {
        "warm": {},
        "cold": {"TORCH_OF_MINE": "reads at load"},
        "next": {"rank": 1, "world": 2},
    }
    for name, options in placed.items():  # One after the other: each rank 0 serves the rendezvous on the job's port.
        start(cluster, name=name, **options)
        assert cluster.ended(name, SECONDS)["exitCode"] == 0, cluster.log(name)
    assert was_warm(cluster, "warm")
    assert was_warm(cluster, "next")
    assert not was_warm(cluster, "cold")
    # Where paths are substituted they name the pod's folder.
    warm, cold = (
        json.loads(cluster.log(name).splitlines()[-1].replace(str(cluster.box(name).folder), "POD"))
        for name in ("warm", "cold")
    )
    assert cold["environ"].pop("TORCH_OF_MINE")
    environs = warm.pop("environ"), cold.pop("environ")
    newer = {"TORCHELASTIC_SIGNALS_TO_HANDLE"} - environs[1].keys()  # torch 2.6 has no such variable.
    assert {name for name, _ in environs[0].items() ^ environs[1].items()} == WARM_ONLY | newer
    drawn = warm.pop("random"), cold.pop("random")
    assert not set(drawn[0]) & set(drawn[1])
    keys = {json.loads(cluster.log(name).splitlines()[-1])["authkey"] for name in placed}
    assert len(keys) == len(placed), "each job has a key of multiprocessing of its own"
    del warm["authkey"], cold["authkey"]
    # Nothing of fork server or shim is open: the standard streams, and the listing itself (rank 0 has the store, too).
    assert json.loads(cluster.log("next").splitlines()[-1])["files"] == ["0", "1", "2", "3"]
    del warm["files"], cold["files"]
    # The fork server has imported torch._dynamo, which in torch 2.6 appends these; a program that makes an optimizer
    # has them too.
    appended = (f"setuptools{os.sep}_vendor", tempfile.gettempdir())
    warm["path"] = [p for p in warm["path"] if p in cold["path"] or not any(folder in p for folder in appended)]
    assert warm["warned"] == 1
    assert warm == cold


def test_variable_that_a_library_has_read_already_starts_the_program_cold(cluster: Cluster, tmp_path: Path) -> None:
    cluster.agent(SUBSTITUTE)
    deliver(cluster, "import os, tempfile\nprint(tempfile.gettempdir(), os.environ['OMP_NUM_THREADS'])")
    start(cluster, name="warm", OMP_NUM_THREADS="0")  # OpenMP ignores 0.
    assert cluster.ended("warm", SECONDS)["exitCode"] == 0, cluster.log("warm")
    start(cluster, name="cold", TMPDIR=str(tmp_path), OMP_NUM_THREADS="1")
    assert cluster.ended("cold", SECONDS)["exitCode"] == 0, cluster.log("cold")
    assert was_warm(cluster, "warm")
    assert not was_warm(cluster, "cold")
    assert cluster.log("cold").splitlines()[-1] == f"{tmp_path} 1"


@pytest.mark.parametrize("isolation", [ALLOWED, SUBSTITUTE], ids=["namespaces", "substitution"])
def test_two_jobs_of_two_ranks_reduce_at_the_same_time(cluster: Cluster, isolation: Any) -> None:
    cluster.agent(isolation)
    deliver(cluster, REDUCE)
    names = [f"{job}-{rank}" for rank in (1, 0) for job in ("a", "b")]
    for name in names:
        job, _, rank = name.partition("-")
        start(cluster, name=name, rank=int(rank), world=2, job=job)
    for name in names:
        assert cluster.ended(name, SECONDS)["exitCode"] == 0, cluster.log(name)
        assert was_warm(cluster, name)
        assert "sum 3 world 2 product 400" in cluster.log(name)


def servers(cluster: Cluster) -> list[psutil.Process]:
    """Return the fork servers without the processes that they forked."""
    matches = [one for one in processes(cluster.root) if "forkserver.py" in " ".join(one.cmdline())]
    return [one for one in matches if one.ppid() == os.getpid()]


def test_killed_fork_server_leaves_its_programs_and_is_replaced(cluster: Cluster) -> None:
    cluster.agent(warm=(sys.executable,))
    deliver(cluster, "import time; print('ready', flush=True); time.sleep(300)")
    start(cluster, name="first")
    cluster.until("Running", name="first", seconds=SECONDS)
    (server,) = servers(cluster)
    server.kill()
    server.wait()
    start(cluster, name="second", job="other")
    cluster.until("Running", name="second", seconds=SECONDS)
    assert was_warm(cluster, "second")
    assert servers(cluster) != [server]
    cluster.agents[-1].stop()
    assert not servers(cluster)
    for name in ("first", "second"):
        assert cluster.newest(name).state() is State.RUNNING


def test_program_waits_for_a_new_fork_server_if_one_is_killed_during_its_imports(cluster: Cluster) -> None:
    cluster.agent()
    deliver(cluster, "print('ready', flush=True)")
    start(cluster)
    cluster.api.wait(lambda: servers(cluster))
    (server,) = servers(cluster)
    server.kill()
    assert cluster.ended("one", SECONDS)["exitCode"] == 0
    assert was_warm(cluster, "one")
    assert servers(cluster) != [server]


AGENT = '''
import json, pathlib, sys
from tests.unit.cluster.agent.cluster import Cluster
from tests.unit.cluster.agent.containers.test_warm_start import SECONDS, deliver, start
cluster = Cluster(pathlib.Path(sys.argv[1]))
cluster.agent()
deliver(cluster, f"""
import os, sys, time
print("ready", flush=True)
while not os.path.exists({str(cluster.root / "go")!r}):
    time.sleep(0.02)
sys.exit(6)
""")
start(cluster)
print(json.dumps(cluster.until("Running", name="one", seconds=SECONDS)), flush=True)
sys.stdin.read()
'''


def test_killed_agent_ends_its_fork_server_but_not_the_programs(cluster: Cluster) -> None:
    command = [sys.executable, "-c", AGENT, str(cluster.root)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        running = json.loads(process.stdout.readline())
        process.kill()
    cluster.client.create(PODS, running, namespace="default")
    pids = cluster.newest("one").pids()
    assert pids is not None
    ours = {pids["shim"]["pid"], pids["program"]["pid"]}
    cluster.api.wait(lambda: {one.pid for one in processes(cluster.root)} == ours)
    cluster.agent()
    (cluster.root / "go").touch()
    assert cluster.ended("one")["exitCode"] == 6
    assert cluster.log("one") == "ready\n"


def test_interpreter_without_the_framework_starts_cold(cluster: Cluster, tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    python.chmod(0o755)
    (tmp_path / "bin" / "torchrun").write_text("#!/bin/sh\necho cold\n")
    (tmp_path / "bin" / "torchrun").chmod(0o755)
    cluster.agent(default_python=str(python))
    deliver(cluster, "")
    start(cluster)
    assert cluster.ended("one")["exitCode"] == 0
    assert cluster.log("one") == "cold\n"


ENDINGS = {
    "a return": ("pass", 0, ""),
    "a code": ("import sys; sys.exit(7)", 7, ""),
    "a message": ("import sys; sys.exit('no data')", 1, "no data\n"),
    "a signal": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143, ""),
    "an exit function": ("import atexit; atexit.register(print, 'bye')", 0, "bye\n"),
    "a thread that goes on": (
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()",
        0,
        "late\n",
    ),
}


def test_warm_programs_end_like_cold_ones(cluster: Cluster) -> None:
    cluster.agent()
    code = "import os\nchoice = int(os.environ['CHOICE'])\n" + "".join(
        f"if choice == {number}:\n    {body}\n" for number, (body, _, _) in enumerate(ENDINGS.values())
    )
    deliver(cluster, code + "if choice == 99:\n    1 / 0\n")
    for number in (*range(len(ENDINGS)), 99):
        start(cluster, name=f"pod-{number}", job=f"job-{number}", CHOICE=str(number))
    for number, (description, (_, exit_code, output)) in enumerate(ENDINGS.items()):
        assert cluster.ended(f"pod-{number}", SECONDS)["exitCode"] == exit_code, description
        assert cluster.log(f"pod-{number}") == output, description
        assert was_warm(cluster, f"pod-{number}")
    assert cluster.ended("pod-99", SECONDS)["exitCode"] == 1
    log = cluster.log("pod-99")
    assert log.endswith("ZeroDivisionError: division by zero\n")
    assert "forkserver" not in log
