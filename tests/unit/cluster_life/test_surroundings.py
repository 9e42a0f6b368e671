from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_trainjob.cluster import surroundings
from jupyter_trainjob.cluster.surroundings import Facts, file_system, judge, network_file_system

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
        pytest.param("/home/with space/x", None, id="a local disk is mounted below it"),
        pytest.param("/homes", None, id="a name that only begins alike is elsewhere"),
        pytest.param("/scratch", "lustre", id="a parallel file system is one too"),
        pytest.param("/mnt/both/x", None, id="what was mounted last is what is seen"),
    ],
)
def test_the_mount_that_holds_a_path_says_whether_it_is_local(path: str, expected: str | None) -> None:
    assert network_file_system(Path(path), MOUNTS) == expected


def test_a_network_root_is_all_that_there_is() -> None:
    assert network_file_system(Path("/var/tmp"), "1 0 0:1 / / rw - 9p none rw") is None


def test_no_mounts_no_verdict() -> None:
    assert file_system(Path("/home"), "") == ("", "")


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        pytest.param(Facts(), [], id="a plain computer is fine"),
        pytest.param(Facts(environ={"SLURM_JOB_ID": "7"}), ["batch-job"], id="a batch job ends its processes"),
        pytest.param(Facts(environ={"JOB_ID": "7"}), [], id="a variable of somebody's own is no batch job"),
        pytest.param(
            Facts(environ={"JOB_ID": "7", "SGE_TASK_ID": "undefined"}), ["batch-job"], id="Grid Engine has two"
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
        pytest.param(Facts(environ={"COLAB_RELEASE_TAG": "r"}), ["hosted-notebook"], id="Colab takes the machine away"),
        pytest.param(
            Facts(cgroup=SESSION, logind=KILLS), ["session-killer"], id="logout kills where logind is told to"
        ),
        pytest.param(Facts(cgroup=SESSION, logind="#KillUserProcesses=yes"), [], id="a comment tells nothing"),
        pytest.param(Facts(cgroup=SESSION, logind=KILLS + "KillUserProcesses=no"), [], id="the last word counts"),
        pytest.param(
            Facts(cgroup="0::/system.slice/jupyterhub.service\n"), ["systemd-service"], id="a service takes all along"
        ),
        pytest.param(
            Facts(cgroup="0::/user.slice/user-1.slice/user@1.service/app.slice/app-term.scope\n"),
            [],
            id="a terminal under the user's manager is no service",
        ),
        pytest.param(
            Facts(cgroup="0::/user.slice/user-1.slice/user@1.service/app.slice/lab.service\n"),
            ["systemd-service"],
            id="a service of the user's own is one",
        ),
    ],
)
def test_what_ends_a_daemon_early_is_found(facts: Facts, names: list[str]) -> None:
    assert [finding.name for finding in judge(facts)] == names


@pytest.mark.parametrize(
    ("mount", "name"),
    [
        pytest.param(
            "1 0 0:1 / / rw - overlay overlay rw", "state-in-container", id="a container's own layer goes with it"
        ),
        pytest.param("1 0 0:1 / / rw - tmpfs tmpfs rw", "state-in-memory", id="memory forgets"),
        pytest.param("1 0 0:1 / /state rw - nfs s:/ rw", "network-file-system", id="a server does not lock"),
    ],
)
def test_where_the_state_lies_is_told_with_a_remedy(mount: str, name: str) -> None:
    (found,) = judge(Facts(mountinfo=mount), Path("/state/x"))
    assert found.name == name
    assert "TRAINJOB_STATE_DIR" in str(found)


def test_linger_is_asked_for_only_where_it_is_missing() -> None:
    (without,) = judge(Facts(cgroup=SESSION, logind=KILLS))
    (with_it,) = judge(Facts(cgroup=SESSION, logind=KILLS, lingers=True))
    assert "enable-linger" in without.what_to_do
    assert "enable-linger" not in with_it.what_to_do


def test_this_computer_can_be_looked_at(tmp_path: Path) -> None:
    assert all(finding.what_to_do for finding in surroundings.look(tmp_path))
