"""Claims, memory, parts of volumes and fields of resources, in namespaces and by substitution."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api.resources import CONFIGMAPS, PERSISTENTVOLUMECLAIMS, PODS, Object
from jupyter_trainjob.cluster.agent import contents, fields, payload, volumes
from jupyter_trainjob.cluster.agent.contents import Asker, File
from jupyter_trainjob.cluster.agent.isolation import Isolation
from jupyter_trainjob.cluster.agent.volumes import Shelf, Source
from jupyter_trainjob.cluster.agent.waiting import NotYet, Refused

from .cluster import Cluster
from .test_volumes import BOTH_WAYS, mount, namespaces

CLAIM: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
DATA = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]


def claim(cluster: Cluster, **metadata: Any) -> Object:
    made = {"metadata": {"name": "data", **metadata}, "spec": CLAIM}
    return cluster.client.create(PERSISTENTVOLUMECLAIMS, made, namespace="default")


def shell(cluster: Cluster, script: str, name: str = "pod", **options: Any) -> Object:
    """Run a script to its end; `options` are of the pod, but for ``mounts`` and ``env``."""
    container = {"volumeMounts": options.pop("mounts", []), "env": options.pop("env", [])}
    container |= {key: options.pop(key) for key in ("resources",) if key in options}
    cluster.run("bash", "-c", script, name=name, container=container, **options)
    return cluster.ended(name)


@pytest.mark.parametrize("isolation", BOTH_WAYS)
def test_what_a_claim_holds_outlives_the_pod(cluster: Cluster, isolation: Isolation) -> None:
    cluster.agent(isolation)
    made = claim(cluster)
    mounts = [mount("v", "/data")]
    assert shell(cluster, "echo 1 > /data/weights", volumes=DATA, mounts=mounts)["exitCode"] == 0, cluster.log()
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=0)
    cluster.api.wait(lambda: not list((cluster.root / "pods").iterdir()))
    assert shell(cluster, "cat /data/weights", name="next", volumes=DATA, mounts=mounts)["exitCode"] == 0
    assert cluster.log("next") == "1\n"
    assert (cluster.root / "claims/default" / made["metadata"]["uid"] / "weights").read_text() == "1\n"


def test_a_pod_waits_for_its_claim(cluster: Cluster) -> None:
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
def test_what_may_not_be_written(cluster: Cluster) -> None:
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
def test_parts_of_volumes(cluster: Cluster, isolation: Isolation) -> None:
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
def test_memory_is_shared_by_containers_and_given_back(cluster: Cluster, isolation: Isolation) -> None:
    cluster.agent(isolation)
    first: Object = {"name": "first", "image": "none", "workingDir": "/", "volumeMounts": [mount("fast", "/fast")]}
    first["command"] = ["bash", "-c", "echo A > /fast/a"]
    kinds = [{"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    end = shell(cluster, "cat /fast/a", volumes=kinds, mounts=[mount("fast", "/fast")], initContainers=[first])
    assert (end["exitCode"], cluster.log(container="node")) == (0, "A\n")
    link = cluster.box().volumes / "fast"
    place = link.resolve()
    assert place.parent == Path("/dev/shm")
    cluster.client.delete(PODS, "pod", namespace="default", grace_seconds=0)
    cluster.api.wait(lambda: not place.exists())


@pytest.mark.parametrize("isolation", BOTH_WAYS)
def test_resources_as_text(cluster: Cluster, isolation: Isolation) -> None:
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


def asker(pod: Object | None = None, **objects: Object) -> Asker:
    whole = {"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {"containers": [{"name": "c"}]}}
    return Asker({**whole, **(pod or {})}, lambda _, name: objects.get(name), {"cpu": "2", "memory": "1Gi"})


AMOUNTS: dict[str, tuple[Object, Object, str]] = {
    "a limit": ({"limits": {"cpu": "2"}}, {"resource": "limits.cpu"}, "2"),
    "part of a unit is rounded up": ({"limits": {"cpu": "100m"}}, {"resource": "limits.cpu"}, "1"),
    "in units of a divisor": ({"limits": {"memory": "1Gi"}}, {"resource": "limits.memory", "divisor": "1Mi"}, "1024"),
    "without a limit the node's": ({}, {"resource": "limits.memory"}, str(1 << 30)),
    "without a request none": ({}, {"resource": "requests.cpu"}, "0"),
    "a divisor of zero is one": ({"limits": {"cpu": "3"}}, {"resource": "limits.cpu", "divisor": "0"}, "3"),
}


@pytest.mark.parametrize(("resources", "reference", "wanted"), AMOUNTS.values(), ids=list(AMOUNTS))
def test_amount(resources: Object, reference: Object, wanted: str) -> None:
    assert fields.amount({"name": "c", "resources": resources}, reference, {"cpu": "2", "memory": "1Gi"}) == wanted


REFUSED: dict[str, tuple[Object, Object, str]] = {
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
def test_refused(tmp_path: Path, kind: Object, part: Object, words: str) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/out").symlink_to(tmp_path)
    if "hostPath" in kind:
        kind = {"hostPath": {**kind["hostPath"], "path": kind["hostPath"]["path"].format(tmp=tmp_path)}}
    spec = {"containers": [], "volumes": [{"name": "v", **kind}]}
    shelf = Shelf(tmp_path / "pod", tmp_path / "claims", tmp_path)
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v", **part}]}
    with pytest.raises(Refused, match=words):
        volumes.mounts(container, volumes.lay_out(asker({"spec": spec}), shelf), {})


MADE: dict[str, tuple[str, int]] = {
    "DirectoryOrCreate": ("DirectoryOrCreate", stat.S_IFDIR),
    "FileOrCreate": ("FileOrCreate", stat.S_IFREG),
    "no type": ("", stat.S_IFDIR),
}


@pytest.mark.parametrize(("kind", "mode"), MADE.values(), ids=list(MADE))
def test_host_paths_that_are_made(tmp_path: Path, kind: str, mode: int) -> None:
    spec = {"containers": [], "volumes": [{"name": "v", "hostPath": {"path": str(tmp_path / "new"), "type": kind}}]}
    shelf = Shelf(tmp_path / "pod", tmp_path / "claims", tmp_path)
    assert volumes.lay_out(asker({"spec": spec}), shelf) == {"v": Source(tmp_path / "new")}
    assert stat.S_IFMT((tmp_path / "new").stat().st_mode) == mode


def test_a_claim_that_is_being_deleted_is_waited_for(tmp_path: Path) -> None:
    spec = {"containers": [], "volumes": DATA}
    going = {"metadata": {"name": "data", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": CLAIM}
    with pytest.raises(NotYet, match="is being deleted"):
        volumes.lay_out(asker({"spec": spec}, data=going), Shelf(tmp_path, tmp_path, tmp_path))


def test_files_are_replaced_all_at_once(tmp_path: Path) -> None:
    volume = tmp_path / "v"
    files = {"a": File(b"1", 0o644), "x/b": File(b"2", 0o600)}
    assert payload.write(volume, files)
    assert not payload.write(volume, files)
    old = (volume / "..data").resolve()
    assert (volume / "a").readlink() == Path("..data/a")
    assert payload.write(volume, {"a": File(b"3", 0o644), "c": File(b"4", 0o644)})
    assert not old.exists()
    assert sorted(entry.name for entry in volume.iterdir() if not entry.name.startswith("..")) == ["a", "c"]
    assert (volume / "a").read_bytes() == b"3"


def test_volumes_follow_their_objects_but_stay_where_one_is_gone(tmp_path: Path) -> None:
    def config(value: str) -> Object:
        return {"kind": "ConfigMap", "data": {"a": value}}

    kinds = [{"name": "m", "configMap": {"name": "map"}}, {"name": "e", "emptyDir": {}}]
    pod = {"spec": {"containers": [], "volumes": kinds}}
    shelf = Shelf(tmp_path, tmp_path, tmp_path)
    volumes.lay_out(asker(pod, map=config("1")), shelf)
    assert volumes.refresh(asker(pod, map=config("2")), shelf)
    assert not volumes.refresh(asker(pod), shelf)
    assert (tmp_path / "m/a").read_text() == "2"


@pytest.mark.parametrize("isolation", BOTH_WAYS)
def test_a_mounted_config_map_changes_while_the_program_runs(cluster: Cluster, isolation: Isolation) -> None:
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


def test_a_config_map_that_changes_while_an_init_container_runs_is_new_for_the_next(
    cluster: Cluster, tmp_path: Path
) -> None:
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


def test_objects_that_a_pods_volumes_show() -> None:
    kinds = [
        {"name": "a", "secret": {"secretName": "s"}},
        {"name": "b", "projected": {"sources": [{"configMap": {"name": "m"}}, {"secret": {"name": "t"}}]}},
        {"name": "c", "emptyDir": {}},
    ]
    found = contents.objects({"spec": {"volumes": kinds}})
    assert {(resource.kind, name) for resource, name in found} == {("Secret", "s"), ("ConfigMap", "m"), ("Secret", "t")}
