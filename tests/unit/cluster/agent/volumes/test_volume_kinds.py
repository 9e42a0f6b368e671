"""Claims, memory volumes, subpaths and the downward API, in namespaces and by substitution."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api.resources import CONFIGMAPS, PERSISTENTVOLUMECLAIMS, PODS, KubeObject
from jupyter_trainjob.cluster.agent.containers.isolation import Isolation
from jupyter_trainjob.cluster.agent.start_errors import MissingReference, StartRefused
from jupyter_trainjob.cluster.agent.volumes import atomic_writer, downward_api, pod_volumes, volume_contents
from jupyter_trainjob.cluster.agent.volumes.pod_volumes import Source, VolumeFolders
from jupyter_trainjob.cluster.agent.volumes.volume_contents import File, PodContext
from tests.unit.cluster.agent.cluster import Cluster

from .test_pod_volumes import BOTH_WAYS, mount, namespaces

CLAIM: KubeObject = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
DATA = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]


def claim(cluster: Cluster, **metadata: Any) -> KubeObject:
    manifest = {"metadata": {"name": "data", **metadata}, "spec": CLAIM}
    return cluster.client.create(PERSISTENTVOLUMECLAIMS, manifest, namespace="default")


def shell(cluster: Cluster, script: str, name: str = "pod", **options: Any) -> KubeObject:
    """Run a script in a pod; `options` are options of the pod, except for ``mounts`` and ``env``."""
    container = {"volumeMounts": options.pop("mounts", []), "env": options.pop("env", [])}
    container |= {key: options.pop(key) for key in ("resources",) if key in options}
    cluster.run("bash", "-c", script, name=name, container=container, **options)
    return cluster.ended(name)


@pytest.mark.parametrize("isolation", BOTH_WAYS)
def test_content_of_a_claim_outlives_the_pod(cluster: Cluster, isolation: Isolation) -> None:
    cluster.agent(isolation)
    created = claim(cluster)
    mounts = [mount("v", "/data")]
    assert shell(cluster, "echo 1 > /data/weights", volumes=DATA, mounts=mounts)["exitCode"] == 0, cluster.log()
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=0)
    cluster.api.wait(lambda: not list((cluster.root / "pods").iterdir()))
    assert shell(cluster, "cat /data/weights", name="next", volumes=DATA, mounts=mounts)["exitCode"] == 0
    assert cluster.log("next") == "1\n"
    assert (cluster.root / "claims/default" / created["metadata"]["uid"] / "weights").read_text() == "1\n"


def test_pod_waits_for_its_claim(cluster: Cluster) -> None:
    cluster.agent()
    cluster.run("true", volumes=DATA)
    status = cluster.until("Pending")["status"]
    assert status["containerStatuses"][0]["state"]["waiting"] == {
        "reason": "ContainerCreating",
        "message": 'persistentvolumeclaim "data" not found',
    }
    claim(cluster)
    assert cluster.ended()["exitCode"] == 0


@namespaces
def test_read_only_volumes_are_not_writable(cluster: Cluster) -> None:
    cluster.agent()
    claim(cluster)
    cluster.client.create(CONFIGMAPS, {"metadata": {"name": "map"}, "data": {"a": "A"}}, namespace="default")
    kinds = [
        {"name": "claim", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
        {"name": "map", "configMap": {"name": "map"}},
    ]
    script = "! touch /claim/x && ! touch /map/x && cat /map/a"
    end = shell(cluster, script, volumes=kinds, mounts=[mount("claim", "/claim"), mount("map", "/map")])
    assert end["exitCode"] == 0, cluster.log()


@pytest.mark.parametrize("isolation", BOTH_WAYS)
def test_subpaths_of_volumes(cluster: Cluster, isolation: Isolation) -> None:
    cluster.agent(isolation)
    cluster.client.create(CONFIGMAPS, {"metadata": {"name": "map"}, "data": {"a": "A\n"}}, namespace="default")
    kinds = [{"name": "map", "configMap": {"name": "map"}}, {"name": "scratch", "emptyDir": {}}]
    mounts = [
        mount("map", "/etc/trainjob/conf.txt", subPath="a"),
        mount("scratch", "/all"),
        mount("scratch", "/mine", subPathExpr="$(POD)/logs"),
    ]
    env = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    script = "cat /etc/trainjob/conf.txt; echo B > /mine/b; cat /all/pod/logs/b"
    end = shell(cluster, script, volumes=kinds, mounts=mounts, env=env)
    assert (end["exitCode"], cluster.log()) == (0, "A\nB\n")


@pytest.mark.parametrize("isolation", BOTH_WAYS)
def test_memory_volume_is_shared_by_containers_and_released(cluster: Cluster, isolation: Isolation) -> None:
    cluster.agent(isolation)
    first: KubeObject = {"name": "first", "image": "none", "workingDir": "/", "volumeMounts": [mount("fast", "/fast")]}
    first["command"] = ["bash", "-c", "echo A > /fast/a"]
    kinds = [{"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    end = shell(cluster, "cat /fast/a", volumes=kinds, mounts=[mount("fast", "/fast")], initContainers=[first])
    assert (end["exitCode"], cluster.log(container="node")) == (0, "A\n")
    link = cluster.box().volumes / "fast"
    folder = link.resolve()
    assert folder.parent == Path("/dev/shm")
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=0)
    cluster.api.wait(lambda: not folder.exists())


@pytest.mark.parametrize("isolation", BOTH_WAYS)
def test_resources_in_the_downward_api(cluster: Cluster, isolation: Isolation) -> None:
    cluster.agent(isolation)
    env = [
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    reference = {"containerName": "node", "resource": "requests.cpu", "divisor": "1m"}
    kinds = [{"name": "v", "downwardAPI": {"items": [{"path": "cpu", "resourceFieldRef": reference}]}}]
    resources = {"limits": {"cpu": "1500m", "memory": "100Mi"}, "requests": {"cpu": "250m"}}
    script = "echo $CPU $MIB $(cat /v/cpu)"
    shell(cluster, script, volumes=kinds, mounts=[mount("v", "/v")], env=env, resources=resources)
    assert cluster.log() == "2 100 250\n"


def asker(pod: KubeObject | None = None, **objects: KubeObject) -> PodContext:
    whole = {"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {"containers": [{"name": "c"}]}}
    return PodContext({**whole, **(pod or {})}, lambda _, name: objects.get(name), {"cpu": "2", "memory": "1Gi"})


AMOUNTS: dict[str, tuple[KubeObject, KubeObject, str]] = {
    "a limit": ({"limits": {"cpu": "2"}}, {"resource": "limits.cpu"}, "2"),
    "part of a unit is rounded up": ({"limits": {"cpu": "100m"}}, {"resource": "limits.cpu"}, "1"),
    "in units of a divisor": ({"limits": {"memory": "1Gi"}}, {"resource": "limits.memory", "divisor": "1Mi"}, "1024"),
    "without a limit the node's": ({}, {"resource": "limits.memory"}, str(1 << 30)),
    "without a request none": ({}, {"resource": "requests.cpu"}, "0"),
    "a divisor of zero is one": ({"limits": {"cpu": "3"}}, {"resource": "limits.cpu", "divisor": "0"}, "3"),
}


@pytest.mark.parametrize(("resources", "reference", "wanted"), AMOUNTS.values(), ids=list(AMOUNTS))
def test_resource_field_value(resources: KubeObject, reference: KubeObject, wanted: str) -> None:
    assert (
        downward_api.resource_field_value(
            {"name": "c", "resources": resources}, reference, {"cpu": "2", "memory": "1Gi"}
        )
        == wanted
    )


REFUSED: dict[str, tuple[KubeObject, KubeObject, str]] = {
    "a path out of the volume": ({"emptyDir": {}}, {"subPath": "../x"}, "relative path"),
    "an absolute path": ({"emptyDir": {}}, {"subPath": "/x"}, "relative path"),
    "a link out of the volume": ({"hostPath": {"path": "{tmp}/linked"}}, {"subPath": "out/x"}, "leads out"),
    "a variable that there is not": ({"emptyDir": {}}, {"subPathExpr": "a/$(NO)"}, "missing value for NO"),
    "a file that is no folder": ({"hostPath": {"path": "{tmp}/f", "type": "Directory"}}, {}, "is not a directory"),
    "a folder that is no file": ({"hostPath": {"path": "{tmp}", "type": "FileOrCreate"}}, {}, "is not a file"),
    "a file that is no socket": ({"hostPath": {"path": "{tmp}/f", "type": "Socket"}}, {}, "is not a socket file"),
    "a file that is no device": ({"hostPath": {"path": "{tmp}/f", "type": "CharDevice"}}, {}, "character device"),
    "a volume that no node of processes has": ({"nfs": {"server": "s"}}, {}, "is a nfs"),
}


@pytest.mark.parametrize(("kind", "part", "words"), REFUSED.values(), ids=list(REFUSED))
def test_invalid_volume_is_rejected(tmp_path: Path, kind: KubeObject, part: KubeObject, words: str) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/out").symlink_to(tmp_path)
    if "hostPath" in kind:
        kind = {"hostPath": {**kind["hostPath"], "path": kind["hostPath"]["path"].format(tmp=tmp_path)}}
    spec = {"containers": [], "volumes": [{"name": "v", **kind}]}
    shelf = VolumeFolders(tmp_path / "pod", tmp_path / "claims", tmp_path)
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v", **part}]}
    with pytest.raises(StartRefused, match=words):
        pod_volumes.container_mounts(container, pod_volumes.create_volumes(asker({"spec": spec}), shelf), {})


MADE: dict[str, tuple[str, int]] = {
    "DirectoryOrCreate": ("DirectoryOrCreate", stat.S_IFDIR),
    "FileOrCreate": ("FileOrCreate", stat.S_IFREG),
    "no type": ("", stat.S_IFDIR),
}


@pytest.mark.parametrize(("kind", "mode"), MADE.values(), ids=list(MADE))
def test_host_paths_are_created(tmp_path: Path, kind: str, mode: int) -> None:
    spec = {"containers": [], "volumes": [{"name": "v", "hostPath": {"path": str(tmp_path / "new"), "type": kind}}]}
    shelf = VolumeFolders(tmp_path / "pod", tmp_path / "claims", tmp_path)
    assert pod_volumes.create_volumes(asker({"spec": spec}), shelf) == {"v": Source(tmp_path / "new")}
    assert stat.S_IFMT((tmp_path / "new").stat().st_mode) == mode


def test_volumes_wait_for_a_claim_that_is_being_deleted(tmp_path: Path) -> None:
    spec = {"containers": [], "volumes": DATA}
    going = {"metadata": {"name": "data", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": CLAIM}
    with pytest.raises(MissingReference, match="is being deleted"):
        pod_volumes.create_volumes(asker({"spec": spec}, data=going), VolumeFolders(tmp_path, tmp_path, tmp_path))


def test_files_of_a_volume_are_replaced_atomically(tmp_path: Path) -> None:
    volume = tmp_path / "v"
    files = {"a": File(b"1", 0o644), "x/b": File(b"2", 0o600)}
    assert atomic_writer.write_files(volume, files)
    assert not atomic_writer.write_files(volume, files)
    old = (volume / "..data").resolve()
    assert (volume / "a").readlink() == Path("..data/a")
    assert atomic_writer.write_files(volume, {"a": File(b"3", 0o644), "c": File(b"4", 0o644)})
    assert not old.exists()
    assert sorted(entry.name for entry in volume.iterdir() if not entry.name.startswith("..")) == ["a", "c"]
    assert (volume / "a").read_bytes() == b"3"


def test_volumes_follow_their_objects_and_remain_after_a_deletion(tmp_path: Path) -> None:
    def config(value: str) -> KubeObject:
        return {"kind": "ConfigMap", "data": {"a": value}}

    kinds = [{"name": "m", "configMap": {"name": "map"}}, {"name": "e", "emptyDir": {}}]
    pod = {"spec": {"containers": [], "volumes": kinds}}
    shelf = VolumeFolders(tmp_path, tmp_path, tmp_path)
    pod_volumes.create_volumes(asker(pod, map=config("1")), shelf)
    assert pod_volumes.update_volumes(asker(pod, map=config("2")), shelf)
    assert not pod_volumes.update_volumes(asker(pod), shelf)
    assert (tmp_path / "m/a").read_text() == "2"


@pytest.mark.parametrize("isolation", BOTH_WAYS)
def test_mounted_config_map_is_updated_while_the_program_runs(cluster: Cluster, isolation: Isolation) -> None:
    cluster.agent(isolation)
    cluster.client.create(CONFIGMAPS, {"metadata": {"name": "map"}, "data": {"a": "1"}}, namespace="default")
    kinds = [{"name": "map", "projected": {"sources": [{"configMap": {"name": "map"}}]}}]
    script = "echo $(cat /map/a); until test $(cat /map/a) = 2; do sleep 0.02; done; echo seen"
    cluster.run("bash", "-c", script, volumes=kinds, container={"volumeMounts": [mount("map", "/map")]})
    cluster.until("Running")
    cluster.until_log("1")
    cluster.client.patch(CONFIGMAPS, "map", {"data": {"a": "2"}}, namespace="default")
    assert cluster.ended()["exitCode"] == 0
    assert cluster.log() == "1\nseen\n"


def test_config_map_changed_by_an_init_container_is_updated_for_the_next(cluster: Cluster, tmp_path: Path) -> None:
    cluster.agent()
    cluster.client.create(CONFIGMAPS, {"metadata": {"name": "map"}, "data": {"a": "1"}}, namespace="default")
    mounts = [mount("map", "/map")]
    wait = f"echo began; until test -e {tmp_path}/go; do sleep 0.02; done"
    init = {"name": "init", "command": ["sh", "-c", wait], "workingDir": "/", "volumeMounts": mounts}
    volumes = [{"name": "map", "configMap": {"name": "map"}}]
    container = {"volumeMounts": mounts}
    cluster.run("cat", "/map/a", volumes=volumes, initContainers=[init], container=container)
    cluster.api.wait((cluster.box().volumes / "map/a").exists)
    cluster.client.patch(CONFIGMAPS, "map", {"data": {"a": "2"}}, namespace="default")
    cluster.api.wait(lambda: (cluster.box().volumes / "map/a").read_text() == "2")
    (tmp_path / "go").touch()
    assert cluster.ended()["exitCode"] == 0
    assert cluster.log() == "2\n"


def test_objects_referenced_by_the_volumes_of_a_pod() -> None:
    kinds = [
        {"name": "a", "secret": {"secretName": "s"}},
        {"name": "b", "projected": {"sources": [{"configMap": {"name": "m"}}, {"secret": {"name": "t"}}]}},
        {"name": "c", "emptyDir": {}},
    ]
    objects = volume_contents.referenced_objects({"spec": {"volumes": kinds}})
    assert {(resource.kind, name) for resource, name in objects} == {
        ("Secret", "s"),
        ("ConfigMap", "m"),
        ("Secret", "t"),
    }
