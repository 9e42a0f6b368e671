"""Patches change what they say and nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, Resource
from jupyter_trainjob.cluster.apiserver import patches, strategic
from jupyter_trainjob.kube.transport import Request


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # the examples of RFC 7396
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: Any, patch: Any, result: Any) -> None:
    assert patches.merge(target, patch) == result


@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ({"a": {"b/c~d": 1}}, [{"op": "replace", "path": "/a/b~1c~0d", "value": 2}], {"a": {"b/c~d": 2}}),
        ({"a": 1, "b": {}}, [{"op": "move", "from": "/a", "path": "/b/c"}], {"b": {"c": 1}}),
        ({"a": {"x": 1}}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": {"x": 1}, "b": {"x": 1}}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1}, {"op": "remove", "path": "/a"}], {}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ],
)
def test_json_patch(document: Any, operations: list[Any], result: Any) -> None:
    assert patches.operations(document, operations) == result


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "add", "path": "/l/3", "value": 1},
        {"op": "add", "path": "/l/01", "value": 1},
        {"op": "add", "path": "/x/y", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/b"},
        {"op": "remove", "path": ""},
        {"op": "move", "from": "/l", "path": "/l/0"},
        {"op": "jump", "path": "/a"},
        {"path": "/a"},
        "text",
    ],
)
def test_json_patches_that_do_not_fit_are_refused(operation: Any) -> None:
    with pytest.raises(errors.Invalid):
        patches.operations({"a": 1, "l": [1]}, [operation])


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        pytest.param(
            {"containers": [{"name": "a", "image": "1", "x": 1}, {"name": "b"}]},
            {"containers": [{"name": "a", "image": "2"}, {"name": "c"}]},
            {"containers": [{"name": "a", "image": "2", "x": 1}, {"name": "b"}, {"name": "c"}]},
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
            {"finalizers": ["a"]}, {"finalizers": ["b", "a"]}, {"finalizers": ["a", "b"]}, id="finalizers are a set"
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
    ],
)
def test_strategic_merge_patch(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(target)
    assert strategic.merge(target, patch) == result
    assert target == before


def test_an_element_without_its_key_is_refused() -> None:
    with pytest.raises(errors.BadRequest, match="merge key: name"):
        strategic.merge({"containers": [{"name": "a"}]}, {"containers": [{"image": "x"}]})


@pytest.mark.parametrize(
    ("resource", "content_type"),
    [
        (PODS, "application/apply-patch+yaml"),
        (TRAINJOBS, "application/apply-patch+yaml"),
        (TRAINJOBS, "application/strategic-merge-patch+json"),
        (PODS, "application/json"),
    ],
)
def test_formats_outside_the_profile_are_refused_with_415(resource: Resource, content_type: str) -> None:
    with pytest.raises(errors.ApiError, match="accepted media types") as caught:
        patches.reader(Request("PATCH", "/", {}, json.dumps({}).encode(), content_type=content_type), resource)
    assert caught.value.code == 415
