from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_trainjob.cluster.state import host_environment
from jupyter_trainjob.cluster.state.host_environment import Facts, evaluate, file_system, network_file_system

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:50 / /home rw,relatime shared:1 - nfs4 server:/home rw,vers=4.2
41 40 0:51 / /home/with\040space rw,relatime - ext4 /dev/vdb rw
42 27 0:52 / /scratch rw - lustre mds@tcp:/fs rw
43 27 0:53 / /mnt/both rw - nfs server:/b rw
44 27 0:54 / /mnt/both rw - tmpfs tmpfs rw
"""
SESSION = "0::/user.slice/user-1000.slice/session-4.scope\n"
KILLS = "[Login]\n#KillUserProcesses=no\nKillUserProcesses=yes\n"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/var/lib", None, id="the root file system is local"),
        pytest.param("/home/me/.local/state", "nfs4", id="a home folder is on the server"),
        pytest.param("/home/with space/x", None, id="a local disk mounted below a network file system"),
        pytest.param("/homes", None, id="a path that only shares a name prefix"),
        pytest.param("/scratch", "lustre", id="a parallel file system"),
        pytest.param("/mnt/both/x", None, id="the last of two mounts on one point counts"),
    ],
)
def test_innermost_mount_decides_whether_a_path_is_local(path: str, expected: str | None) -> None:
    assert network_file_system(Path(path), MOUNTS) == expected


def test_network_root_file_system_counts_as_local() -> None:
    assert network_file_system(Path("/var/tmp"), "1 0 0:1 / / rw - 9p none rw") is None


def test_file_system_is_unknown_without_mounts() -> None:
    assert file_system(Path("/home"), "") == ("", "")


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        pytest.param(Facts(), [], id="a plain computer is fine"),
        pytest.param(Facts(environ={"SLURM_JOB_ID": "7"}), ["batch-job"], id="a batch job ends its processes"),
        pytest.param(Facts(environ={"JOB_ID": "7"}), [], id="JOB_ID alone is not Grid Engine"),
        pytest.param(
            Facts(environ={"JOB_ID": "7", "SGE_TASK_ID": "undefined"}),
            ["batch-job"],
            id="Grid Engine sets both variables",
        ),
        pytest.param(Facts(container_marks=("/.dockerenv",)), ["container"], id="Docker leaves a file"),
        pytest.param(
            Facts(cgroup="1:cpu:/kubepods/burstable/pod1/abc"), ["container"], id="a kubelet names its cgroups"
        ),
        pytest.param(
            Facts(environ={"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JUPYTERHUB_USER": "me"}),
            ["jupyterhub-container"],
            id="JupyterHub on Kubernetes culls idle servers",
        ),
        pytest.param(Facts(environ={"JUPYTERHUB_USER": "me"}), [], id="JupyterHub on a shared computer does not kill"),
        pytest.param(Facts(environ={"COLAB_RELEASE_TAG": "r"}), ["hosted-notebook"], id="Colab deletes idle machines"),
        pytest.param(
            Facts(cgroup=SESSION, logind=KILLS), ["session-killer"], id="KillUserProcesses ends processes at logout"
        ),
        pytest.param(Facts(cgroup=SESSION, logind="#KillUserProcesses=yes"), [], id="a commented setting is ignored"),
        pytest.param(Facts(cgroup=SESSION, logind=KILLS + "KillUserProcesses=no"), [], id="the last setting wins"),
        pytest.param(Facts(cgroup="0::/system.slice/jupyterhub.service\n"), ["systemd-service"], id="a system service"),
        pytest.param(
            Facts(cgroup="0::/user.slice/user-1.slice/user@1.service/app.slice/app-term.scope\n"),
            [],
            id="a terminal scope of the user manager",
        ),
        pytest.param(
            Facts(cgroup="0::/user.slice/user-1.slice/user@1.service/app.slice/lab.service\n"),
            ["systemd-service"],
            id="a service of the user manager",
        ),
    ],
)
def test_findings_for_host_facts(facts: Facts, names: list[str]) -> None:
    assert [finding.name for finding in evaluate(facts)] == names


@pytest.mark.parametrize(
    ("mount", "name"),
    [
        pytest.param(
            "1 0 0:1 / / rw - overlay overlay rw",
            "state-in-container",
            id="the container layer is lost with the container",
        ),
        pytest.param("1 0 0:1 / / rw - tmpfs tmpfs rw", "state-in-memory", id="tmpfs is lost at restart"),
        pytest.param(
            "1 0 0:1 / /state rw - nfs s:/ rw", "network-file-system", id="network file systems have no reliable locks"
        ),
    ],
)
def test_findings_for_the_file_system_of_the_state_dir(mount: str, name: str) -> None:
    (finding,) = evaluate(Facts(mountinfo=mount), Path("/state/x"))
    assert finding.name == name
    assert "TRAINJOB_STATE_DIR" in str(finding)


def test_enable_linger_is_suggested_only_if_it_is_off() -> None:
    (without,) = evaluate(Facts(cgroup=SESSION, logind=KILLS))
    (with_it,) = evaluate(Facts(cgroup=SESSION, logind=KILLS, lingers=True))
    assert "enable-linger" in without.remedy
    assert "enable-linger" not in with_it.remedy


def test_inspect_host_returns_findings_with_remedies(tmp_path: Path) -> None:
    assert all(finding.remedy for finding in host_environment.inspect_host(tmp_path))
