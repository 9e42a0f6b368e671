"""JSON patches and JSON merge patches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, Resource
from jupyter_trainjob.cluster.apiserver.requests import patches
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
    assert patches.apply_merge_patch(target, patch) == result


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
        ({"a": 1}, [{"op": "replace", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/1", "value": 3}], {"a": [1, 3]}),
    ],
)
def test_json_patch(document: Any, operations: list[Any], result: Any) -> None:
    assert patches.apply_json_patch(document, operations) == result


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/l/1", "value": 1},
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
def test_inapplicable_json_patches_are_rejected(operation: Any) -> None:
    with pytest.raises(errors.Invalid):
        patches.apply_json_patch({"a": 1, "l": [1]}, [operation])


@pytest.mark.parametrize(
    ("resource", "content_type"),
    [
        (PODS, "application/apply-patch+yaml"),
        (TRAINJOBS, "application/apply-patch+yaml"),
        (TRAINJOBS, "application/strategic-merge-patch+json"),
        (PODS, "application/json"),
    ],
)
def test_unsupported_patch_formats_are_415(resource: Resource, content_type: str) -> None:
    with pytest.raises(errors.ApiError, match="accepted media types") as caught:
        patches.parse_patch(Request("PATCH", "/", {}, json.dumps({}).encode(), content_type=content_type), resource)
    assert caught.value.code == 415
