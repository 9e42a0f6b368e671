"""Volumes at the container's paths: in mount namespaces, and by substituted paths without them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api.resources import CONFIGMAPS, EVENTS, PODS, SECRETS, KubeObject
from jupyter_trainjob.cluster.agent.containers.isolation import Isolation
from jupyter_trainjob.constants import SUBSTITUTION_CONDITION
from tests.unit.cluster.agent.cluster import ALLOWED, SUBSTITUTE, Cluster

USER = Isolation(user=True)
namespaces = pytest.mark.skipif(not ALLOWED.namespaces, reason=ALLOWED.refusal or "namespaces are allowed")
BOTH_WAYS = [
    pytest.param(ALLOWED, id="namespaces", marks=namespaces),
    pytest.param(USER, id="user namespace", marks=namespaces),
    pytest.param(SUBSTITUTE, id="substitution"),
]

SHOW = """
import json, os, stat, sys
found = {}
for root in sys.argv[1:]:
    for folder, below, names in os.walk(root, followlinks=True):
        below[:] = [name for name in below if not name.startswith('..')]
        for name in names:
            path = os.path.join(folder, name)
            mode = oct(stat.S_IMODE(os.stat(path).st_mode))
            found[root.split('/')[-1] + path[len(root):]] = [open(path).read(), mode]
print(json.dumps(found))
"""


def secret(cluster: Cluster, name: str, **data: str) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    cluster.client.create(SECRETS, {"metadata": {"name": name}, "data": encoded}, namespace="default")


def mount(name: str, path: str, **options: Any) -> KubeObject:
    return {"name": name, "mountPath": path, **options}


@pytest.mark.parametrize("isolation", BOTH_WAYS)
def test_every_kind_of_volume(cluster: Cluster, isolation: Isolation, tmp_path: Path) -> None:
    cluster.agent(isolation)
    secret(cluster, "first", a="A", b="B")
    secret(cluster, "second", c="C")
    cluster.client.create(CONFIGMAPS, {"metadata": {"name": "map"}, "data": {"d": "D"}}, namespace="default")
    (tmp_path / "e").write_text("E")
    (tmp_path / "e").chmod(0o600)
    both = [
        {"secret": {"name": "second"}},
        {"configMap": {"name": "map", "items": [{"key": "d", "path": "x/d", "mode": 0o600}]}},
        {"secret": {"name": "absent", "optional": True}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    volumes = [
        {"name": "one", "secret": {"secretName": "first", "defaultMode": 0o400}},
        {"name": "many", "projected": {"sources": both}},
        {"name": "host", "hostPath": {"path": str(tmp_path), "type": "Directory"}},
        {"name": "empty", "emptyDir": {}},
    ]
    mounts = [
        mount("one", "/volumes/one"),
        mount("many", "/many", readOnly=True),
        mount("host", "/etc/trainjob/host"),
        mount("empty", "/volumes/empty"),
        mount("one", "/volumes/part", subPath="a") if isolation.namespaces else mount("one", "/volumes/again"),
    ]
    paths = ["/volumes/one", "/many", "/etc/trainjob/host", "/volumes/empty"]
    cluster.run("python", "-c", SHOW, *paths, volumes=volumes, container={"volumeMounts": mounts})
    assert cluster.ended()["exitCode"] == 0, cluster.log()
    shown = json.loads(cluster.log().replace(f"{tmp_path.name}/e", "host/e"))
    assert sorted(shown.values()) == sorted(
        [["A", "0o400"], ["B", "0o400"], ["C", "0o644"], ["D", "0o600"], ["pod", "0o644"], ["E", "0o600"]]
    )
    if isolation.namespaces:
        assert {"one/a", "one/b", "many/c", "many/x/d", "many/name", "host/e"} == shown.keys()
    condition_types = {one["type"] for one in cluster.get()["status"]["conditions"]}
    assert (SUBSTITUTION_CONDITION in condition_types) is (not isolation.namespaces)


@namespaces
@pytest.mark.parametrize("isolation", [ALLOWED, USER], ids=["as allowed", "user namespace"])
def test_names_and_read_only_mounts_in_namespaces(cluster: Cluster, isolation: Isolation) -> None:
    cluster.agent(isolation)
    secret(cluster, "first", a="A")
    code = """
import os, pathlib, socket
def refused(path):
    try:
        open(path, 'w')
    except OSError as error:
        return error.strerror
print(socket.gethostname(), socket.gethostbyname('job-node-0-1.job'), socket.gethostbyname('localhost'))
print(refused('/trainjob/a'), os.environ['PEER'] == socket.gethostbyname('job-node-0-1.job.default.svc.cluster.local'))
pathlib.Path('/own').write_text('only here')
"""
    env = [{"name": "PEER", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    cluster.script(
        code,
        hostname="job-node-0-1",
        subdomain="job",
        volumes=[{"name": "v", "secret": {"secretName": "first"}}],
        container={"volumeMounts": [mount("v", "/trainjob", readOnly=True)], "env": env},
    )
    assert cluster.ended()["exitCode"] == 0, cluster.log()
    address = cluster.get()["status"]["podIP"]
    assert cluster.log() == f"job-node-0-1 {address} 127.0.0.1\nRead-only file system True\n"
    assert not Path("/own").exists()
    assert not Path("/trainjob").exists()


def test_paths_and_host_names_are_substituted_without_namespaces(cluster: Cluster) -> None:
    cluster.agent(SUBSTITUTE)
    secret(cluster, "first", a="A")
    env = [{"name": "MASTER_ADDR", "value": "job-node-0-0.job"}, {"name": "DATA", "value": "a=/trainjob/a:/trainjobs"}]
    cluster.script(
        "import os; print(os.environ['MASTER_ADDR'], os.environ['DATA'], os.environ['GLOO_SOCKET_IFNAME'])",
        hostname="job-node-0-1",
        subdomain="job",
        volumes=[{"name": "v", "secret": {"secretName": "first"}}],
        container={"volumeMounts": [mount("v", "/trainjob")], "env": env},
    )
    cluster.ended()
    master, data, interface = cluster.log().split()
    assert master.startswith("127.")
    assert data == f"a={cluster.box().volumes}/v/a:/trainjobs"
    assert interface.startswith("lo")


def test_pod_waits_for_its_secret(cluster: Cluster) -> None:
    cluster.agent()
    volumes = [{"name": "v", "secret": {"secretName": "late", "items": [{"key": "a", "path": "a"}]}}]
    cluster.run("cat", "/trainjob/a", volumes=volumes, container={"volumeMounts": [mount("v", "/trainjob")]})
    status = cluster.until("Pending")["status"]
    waiting = status["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ContainerCreating"
    assert 'secret "late" not found' in waiting["message"]
    event = cluster.api.wait(lambda: cluster.client.list(EVENTS, namespace="default").items)[0]
    assert (event["reason"], event["type"]) == ("FailedMount", "Warning")
    secret(cluster, "late", b="not yet")
    cluster.api.wait(lambda: len(cluster.client.list(EVENTS, namespace="default").items) == 2)
    data = {"a": base64.b64encode(b"now").decode()}
    cluster.client.patch(SECRETS, "late", {"data": data}, namespace="default")
    assert cluster.ended()["exitCode"] == 0
    assert cluster.log() == "now\n"


def test_pod_waits_for_the_key_of_a_variable(cluster: Cluster) -> None:
    cluster.agent()
    env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "a"}}}]
    cluster.script("import os; print(os.environ['KEY'])", container={"env": env})
    waiting = cluster.until("Pending")["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "late" not found'}
    secret(cluster, "late", a="now")
    cluster.ended()
    assert cluster.log() == "now\n"


def test_waiting_pod_can_be_deleted(cluster: Cluster) -> None:
    cluster.agent()
    cluster.run("true", volumes=[{"name": "v", "secret": {"secretName": "never"}}])
    cluster.until("Pending")
    cluster.client.delete(PODS, "pod", namespace="default")
    cluster.api.wait(lambda: cluster.client.find(PODS, "pod", namespace="default") is None)
