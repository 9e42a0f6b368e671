"""Strategic merge patches, by the rules of Kubernetes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from jupyter_trainjob.api.strategic_merge_patch import apply_strategic_merge_patch


def env(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "value": name} for name in names]


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        pytest.param(
            {"containers": [{"name": "a", "image": "1", "x": 1}, {"name": "b"}]},
            {"containers": [{"name": "a", "image": "2"}, {"name": "c"}]},
            {"containers": [{"name": "a", "image": "2", "x": 1}, {"name": "c"}, {"name": "b"}]},
            id="keyed lists merge by their key",
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"$patch": "delete", "name": "A"}]},
            {"env": [{"name": "B", "value": "2"}]},
            id="elements can be deleted",
        ),
        pytest.param(
            {"volumes": [{"name": "a"}]},
            {"volumes": [{"name": "b"}, {"$patch": "replace"}]},
            {"volumes": [{"name": "b"}]},
            id="keyed lists can be replaced",
        ),
        pytest.param({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}, id="other lists are atomic"),
        pytest.param({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}, id="maps can be replaced"),
        pytest.param({"a": {"b": 1}}, {"a": None}, {}, id="null removes"),
        pytest.param(
            {"finalizers": ["a"]}, {"finalizers": ["b", "a"]}, {"finalizers": ["b", "a"]}, id="finalizers are a set"
        ),
        pytest.param(
            {"finalizers": ["a", "b"]},
            {"$deleteFromPrimitiveList/finalizers": ["a"]},
            {"finalizers": ["b"]},
            id="elements of sets can be deleted",
        ),
        pytest.param(
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
            id="retainKeys drops the other keys of a union",
        ),
        pytest.param(
            {"containers": [{"name": "a"}, {"name": "b"}]},
            {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
                "containers": [{"name": "c"}],
            },
            {"containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}]},
            id="setElementOrder orders",
        ),
        pytest.param(
            {"ports": [{"port": 1, "name": "x"}]},
            {"ports": [{"port": 1, "name": "y"}, {"port": 2}]},
            {"ports": [{"port": 1, "name": "y"}, {"port": 2}]},
            id="ports of services are keyed by port",
        ),
        pytest.param({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}, id="a field that the patch does not name stays"),
        pytest.param({"a": 1, "b": 2}, {"b": None}, {"a": 1}, id="null deletes"),
        pytest.param(
            {"securityContext": {"runAsUser": 1, "seLinuxOptions": {"level": "s0"}}},
            {"securityContext": {"seLinuxOptions": {"role": "r"}}},
            {"securityContext": {"runAsUser": 1, "seLinuxOptions": {"level": "s0", "role": "r"}}},
            id="objects are merged in depth",
        ),
        pytest.param({}, {"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": "b"}}, id="a missing object is added"),
        pytest.param(
            {"tolerations": [{"key": "a"}]},
            {"tolerations": [{"key": "b"}]},
            {"tolerations": [{"key": "b"}]},
            id="lists without a key are replaced",
        ),
        pytest.param(
            {"env": env("INIT_ENV", "DATASET_PATH")},
            {"env": env("INIT_ENV", "NEW")},
            {"env": env("INIT_ENV", "NEW", "DATASET_PATH")},
            id="keyed lists are merged, and new items go where the patch has them",
        ),
        pytest.param(
            {"env": env("A", "B", "C")},
            {"env": [{"name": "B", "value": "new"}]},
            {"env": [*env("A"), {"name": "B", "value": "new"}, *env("C")]},
            id="items before the patched one keep their order",
        ),
        pytest.param(
            {"env": env("A", "B", "C")},
            {"env": env("C", "A")},
            {"env": env("B", "C", "A")},
            id="the order of the patch rules among its own items",
        ),
        pytest.param(
            {"volumeMounts": [{"name": "v", "mountPath": "/a"}]},
            {"volumeMounts": [{"name": "v", "mountPath": "/b"}]},
            {"volumeMounts": [{"name": "v", "mountPath": "/b"}, {"name": "v", "mountPath": "/a"}]},
            id="mounts are merged by path, so one volume can be mounted twice",
        ),
        pytest.param(
            {"ports": [{"containerPort": 80}]},
            {"ports": [{"containerPort": 80, "name": "http"}]},
            {"ports": [{"containerPort": 80, "name": "http"}]},
            id="ports are merged by number",
        ),
        pytest.param(
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "configMap": {"name": "c"}}]},
            {"volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]},
            id="a volume keeps its old source beside the new one",
        ),
    ],
)
def test_strategic_merge_patch(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(target)
    assert apply_strategic_merge_patch(target, patch) == result
    assert target == before


def test_element_without_its_merge_key_is_rejected() -> None:
    with pytest.raises(ValueError, match="merge key: name"):
        apply_strategic_merge_patch({"containers": [{"name": "a"}]}, {"containers": [{"image": "x"}]})
