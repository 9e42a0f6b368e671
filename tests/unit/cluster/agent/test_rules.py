"""Functions that turn a pod into a program's environment, command and peers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.agent import network
from jupyter_trainjob.cluster.agent.containers import environment, torchrun_env
from jupyter_trainjob.cluster.agent.containers.path_rewriting import path_rewriter
from jupyter_trainjob.cluster.agent.containers.shim_spec import Program, omp_threads, resolve_python
from jupyter_trainjob.cluster.agent.shim.namespaces import folders_to_rebuild
from jupyter_trainjob.cluster.agent.start_errors import StartRefused
from jupyter_trainjob.cluster.agent.volumes import downward_api

SUBSTITUTED = {
    "a whole path": ("/trainjob", "/pods/1"),
    "a path below": ("/trainjob/job.pyz", "/pods/1/job.pyz"),
    "after an equals sign": ("--data=/trainjob/x", "--data=/pods/1/x"),
    "in a list of paths": ("/a:/trainjob:/trainjob/b", "/a:/pods/1:/pods/1/b"),
    "in shell code": ("cd /trainjob; ls '/trainjob'", "cd /pods/1; ls '/pods/1'"),
    "the longer mount wins": ("/trainjob/deep/x", "/pods/2/x"),
    "a longer name is another": (
        "/trainjobs /trainjob-captures /trainjob.old",
        "/trainjobs /trainjob-captures /trainjob.old",
    ),
    "the end of a path is another": ("/my/trainjob", "/my/trainjob"),
    "a URL is another": ("https://host/trainjob", "https://host/trainjob"),
    "a host name": ("j-node-0-1.j:29500", "127.0.0.9:29500"),
    "a host name in a URL": ("tcp://j-node-0-1.j:29500/x", "tcp://127.0.0.9:29500/x"),
    "a part of a path is no host name": ("/logs/j-node-0-1.j/x", "/logs/j-node-0-1.j/x"),
    "a longer host name is another": ("j-node-0-1.j.com x-j-node-0-1.j", "j-node-0-1.j.com x-j-node-0-1.j"),
}


@pytest.mark.parametrize(("text", "wanted"), SUBSTITUTED.values(), ids=list(SUBSTITUTED))
def test_substitution(text: str, wanted: str) -> None:
    change = path_rewriter({"/trainjob": "/pods/1", "/trainjob/deep": "/pods/2"}, {"j-node-0-1.j": "127.0.0.9"})
    assert change(text) == wanted


def test_path_rewriter_without_replacements() -> None:
    assert path_rewriter({}, {})("/trainjob") == "/trainjob"


PORTS = {
    "a port variable": ({"PET_MASTER_PORT": "29500"}, {"PET_MASTER_PORT": "20001"}),
    "an endpoint": ({"URL": "tcp://j-node-0-0.j:29500/x"}, {"URL": "tcp://j-node-0-0.j:20001/x"}),
    "an IPv6 endpoint": ({"ENDPOINT": "[::1]:29500"}, {"ENDPOINT": "[::1]:20001"}),
    "a number of another kind": ({"STEPS": "29500"}, {"STEPS": "29500"}),
    "another port": ({"X_PORT": "29501", "Y": "a:295001"}, {"X_PORT": "29501", "Y": "a:295001"}),
}


@pytest.mark.parametrize(("env", "wanted"), PORTS.values(), ids=list(PORTS))
def test_default_port_is_replaced_by_the_leased_port(env: dict[str, str], wanted: dict[str, str]) -> None:
    assert network.replace_port(env, 20001) == wanted


def test_port_leases_are_distinct_persistent_and_released(tmp_path: Path) -> None:
    leases = network.PortLeases(tmp_path / "ports.json")
    ports = {leases.lease(f"job-{number}") for number in range(20)}
    assert len(ports) == 20
    again = network.PortLeases(tmp_path / "ports.json")
    assert again.lease("job-3") == leases.lease("job-3")
    again.release_others(["job-3"])
    assert network.PortLeases(tmp_path / "ports.json").lease("job-3") == leases.lease("job-3")
    assert (tmp_path / "ports.json").read_text().count("job-") == 1


def test_attempts_of_a_jobset_have_different_ports() -> None:
    def pod(attempt: str) -> dict[str, object]:
        labels = {"jobset.sigs.k8s.io/jobset-uid": "u", "jobset.sigs.k8s.io/restart-attempt": attempt}
        return {"metadata": {"uid": "p", "labels": labels}}

    assert network.lease_key(pod("0")) == network.lease_key(pod("0"))
    assert network.lease_key(pod("0")) != network.lease_key(pod("1"))


def test_peers_and_hosts() -> None:
    jobs = [
        {"name": "launcher", "template": {"spec": {"parallelism": 1}}},
        {"name": "node", "replicas": 1, "template": {"spec": {"parallelism": 2}}},
    ]
    jobset = {"metadata": {"name": "j"}, "spec": {"replicatedJobs": jobs}}
    names = network.peer_names(jobset)
    assert names == ["j-launcher-0-0.j", "j-node-0-0.j", "j-node-0-1.j"]
    pod = {"metadata": {"namespace": "ns", "name": "x"}, "spec": {"hostname": "j-node-0-1", "subdomain": "j"}}
    text = network.hosts_file(pod, names, "127.0.0.1 localhost\n10.0.0.1 j-node-0-1 old\n")
    own = network.pod_address("ns", "j-node-0-1.j")
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert lines[0] == [
        own,
        *(f"j-node-0-1.j{end}" for end in (".ns.svc.cluster.local", ".ns.svc", ".ns", "")),
        "j-node-0-1",
    ]
    assert [line[0] for line in lines[1:]] == [network.pod_address("ns", name) for name in names[:2]] + ["127.0.0.1"]


def test_peers_of_a_huge_jobset_are_limited() -> None:
    job = {"name": "node", "replicas": 2**31 - 1, "template": {"spec": {"parallelism": 2**31 - 1}}}
    jobset = {"metadata": {"name": "j"}, "spec": {"replicatedJobs": [job]}}
    assert len(network.peer_names(jobset)) == network.PEERS_LIMIT


def test_peers_mentioned_in_texts() -> None:
    pod = {"spec": {"subdomain": "svc"}}
    texts = ["tcp://job-0.svc:29500", "job-1.svc,job-2.svc", "other.host"]
    assert network.mentioned_peers(pod, texts) == {"job-0.svc", "job-1.svc", "job-2.svc"}
    assert network.mentioned_peers({"spec": {}}, texts) == set()


def test_interpreter_replaces_commands_missing_in_its_folder(tmp_path: Path) -> None:
    python = str(tmp_path / "python3.11")
    assert resolve_python(["python", "x"], python) == [python, "x"]
    assert resolve_python(["torchrun", "x"], python) == [python, "-m", "torch.distributed.run", "x"]
    assert resolve_python(["cat", "x"], python) == ["cat", "x"]
    (tmp_path / "torchrun").touch(mode=0o755)
    assert resolve_python(["torchrun", "x"], python) == ["torchrun", "x"]


THREADS = {
    "pods share the processors": ({}, 4, 8, {"OMP_NUM_THREADS": "2"}),
    "there is at least one": ({}, 8, 2, {"OMP_NUM_THREADS": "1"}),
    "the only pod keeps the default": ({}, 1, 8, {}),
    "the user's number stays": ({"OMP_NUM_THREADS": "3"}, 4, 8, {}),
    "torchrun decides for several processes": ({"PET_NPROC_PER_NODE": "4"}, 4, 8, {}),
}


LIMITED = {
    "a limit applies even to the only pod": ({}, 1, 8, 2.0, {"OMP_NUM_THREADS": "2"}),
    "less than a processor is one thread": ({}, 4, 8, 0.5, {"OMP_NUM_THREADS": "1"}),
    "there are no more than the computer has": ({}, 1, 2, 16.0, {"OMP_NUM_THREADS": "2"}),
    "the user's number stays within a limit, too": ({"OMP_NUM_THREADS": "3"}, 1, 8, 2.0, {}),
}


@pytest.mark.parametrize(("env", "peers", "cpus", "limit", "wanted"), LIMITED.values(), ids=list(LIMITED))
def test_omp_threads_of_a_pod_with_a_cpu_limit(
    env: dict[str, str], peers: int, cpus: int, limit: float, wanted: dict[str, str]
) -> None:
    assert omp_threads(env, peers=peers, cpus=cpus, limit=limit) == wanted


@pytest.mark.parametrize(("env", "peers", "cpus", "wanted"), THREADS.values(), ids=list(THREADS))
def test_omp_threads(env: dict[str, str], peers: int, cpus: int, wanted: dict[str, str]) -> None:
    assert omp_threads(env, peers=peers, cpus=cpus) == wanted


REFUSALS = {
    "our archive": ({}, [], ""),
    "a name of the user": ({"LEARNING_RATE": "1", "TOKENIZERS_PARALLELISM": "false", "WANDB_MODE": "x"}, [], ""),
    "the devices that are seen": ({"CUDA_VISIBLE_DEVICES": "0"}, [], ""),
    "a number of threads": ({"OMP_NUM_THREADS": "2"}, [], ""),
    "unbuffered output, the default": ({"PYTHONUNBUFFERED": "1"}, [], ""),
    "a path for imports": ({"PYTHONPATH": "/x"}, [], "PYTHONPATH"),
    "a hash seed": ({"PYTHONHASHSEED": "0"}, [], "PYTHONHASHSEED"),
    "a preloaded library": ({"LD_PRELOAD": "x.so"}, [], "LD_PRELOAD"),
    "an option of torch": ({"TORCH_LOGS": "all"}, [], "TORCH_LOGS"),
    "an option of CUDA": ({"CUDA_LAUNCH_BLOCKING": "1"}, [], "CUDA_LAUNCH_BLOCKING"),
    "an allocator": ({"MALLOC_ARENA_MAX": "1"}, [], "MALLOC_ARENA_MAX"),
    "another locale": ({"LC_ALL": "de_DE"}, [], "LC_ALL"),
    "an option of torchrun": ({"PET_MAX_RESTARTS": "3"}, [], "PET_MAX_RESTARTS"),
    "several processes": ({"PET_NPROC_PER_NODE": "2"}, [], "more than one process"),
    "an elastic number of nodes": ({"PET_NNODES": "1:4"}, [], "not a fixed one"),
    "arguments": ({}, ["--epochs", "3"], "not torchrun with our archive"),
}


@pytest.mark.parametrize(("env", "arguments", "word"), REFUSALS.values(), ids=list(REFUSALS))
def test_warm_start_refusal(env: dict[str, str], arguments: list[str], word: str) -> None:
    base = environment.base_env(sys.executable)
    own = {"PET_NNODES": "2", "PET_NODE_RANK": "1", "PET_MASTER_ADDR": "a", "PET_MASTER_PORT": "1", **env}
    program = Program(
        argv=["torchrun", torchrun_env.ARCHIVE, *arguments],
        env={**base, **own},
        cwd="/",
        python=sys.executable,
        hostname="h",
        grace=1.0,
    )
    refusal = torchrun_env.warm_start_refusal(program, base)
    assert (word in refusal) if word else not refusal


def test_folders_to_rebuild_for_a_mount(tmp_path: Path) -> None:
    new = str(tmp_path / "new" / "deep")
    parents = {str(folder) for folder in [tmp_path, *tmp_path.parents]}
    assert folders_to_rebuild(["/etc/hosts", "/trainjob"]) == {"/", "/dev"}
    assert folders_to_rebuild([new]) == parents | {"/dev"}
    assert folders_to_rebuild([new, new + "/below"]) == folders_to_rebuild([new])


def test_field_path_with_unbalanced_quotes_is_rejected() -> None:
    pod = {"metadata": {"labels": {"a": "1", "'a'": "2"}}}
    assert downward_api.field_value(pod, "metadata.labels['a']") == "1"
    with pytest.raises(StartRefused, match="is not supported"):
        downward_api.field_value(pod, "metadata.labels[''a'']")
