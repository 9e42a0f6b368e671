"""PATCH bodies: a patch in, a function from object to object out. Pure but for the refusals they raise.

JSON merge patch (RFC 7396) and JSON patch (RFC 6902) for every kind, strategic merge patch (`strategic`) for
Kubernetes' own kinds only, as on a real server. Server-side apply is outside the profile: 415.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_trainjob.api.resources import Object, Resource
from jupyter_trainjob.cluster.apiserver import bodies, metadata, status, strategic
from jupyter_trainjob.kube.client import MERGE_PATCH
from jupyter_trainjob.kube.transport import Request

JSON_PATCH = "application/json-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"


def reader(request: Request, resource: Resource) -> Callable[[Object], Object]:
    """Return what the patch in a request does to an object. The object handed to it may be used up."""
    offered = [JSON_PATCH, MERGE_PATCH]
    if not metadata.is_custom(resource):
        offered.append(STRATEGIC_MERGE_PATCH)
    kind = bodies.media_type(request)
    if kind not in offered:
        raise status.unsupported_media_type(offered)
    patch = bodies.loads(request.body or b"")
    if kind == JSON_PATCH:
        if not isinstance(patch, list):
            raise status.bad_request("a JSON patch must be a list of operations")
        return lambda obj: _an_object(operations(obj, patch))
    if not isinstance(patch, dict):
        raise status.bad_request("a merge patch must be an object")
    if kind == MERGE_PATCH:
        return lambda obj: _an_object(merge(obj, patch))
    return lambda obj: strategic.merge(obj, patch)


def merge(target: Any, patch: Any) -> Any:
    """Return `target` with a JSON merge patch applied."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def operations(document: Any, patch: list[Any]) -> Any:
    """Return `document` with the operations of a JSON patch applied in turn; uses the document up."""
    box = {"": document}
    try:
        for operation in patch:
            _operate(box, operation)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise status.unprocessable(f"the patch cannot be applied: {operation}: {error}") from None
    return box[""]


def _operate(box: Object, operation: Any) -> None:
    verb, path = operation["op"], _pointer(operation["path"])
    match verb:
        case "add":
            _add(box, path, _copy(operation["value"]))
        case "remove":
            _remove(box, path)
        case "replace":
            _find(box, path)
            _remove(box, path) if len(path) > 1 else None
            _add(box, path, _copy(operation["value"]))
        case "move":
            source = _pointer(operation["from"])
            if path[: len(source)] == source and path != source:
                raise ValueError("a value cannot be moved into itself")
            _add(box, path, _remove(box, source))
        case "copy":
            _add(box, path, _copy(_find(box, _pointer(operation["from"]))))
        case "test":
            if _find(box, path) != operation["value"]:
                raise ValueError("the test failed")
        case _:
            raise ValueError("unknown operation")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(f"path {text!r} must begin with '/'")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")]


def _find(box: Any, path: list[str]) -> Any:
    found = box
    for part in path:
        found = found[_index(found, part)] if isinstance(found, list) else found[part]
    return found


def _add(box: Any, path: list[str], value: Any) -> None:
    parent, last = _find(box, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(parent, last, beyond=True), value)
    else:
        parent[last] = value


def _remove(box: Any, path: list[str]) -> Any:
    if len(path) == 1:
        raise ValueError("the whole object cannot be removed")
    parent, last = _find(box, path[:-1]), path[-1]
    return parent.pop(_index(parent, last) if isinstance(parent, list) else last)


def _index(values: list[Any], text: str, *, beyond: bool = False) -> int:
    if not text.isdigit() or (len(text) > 1 and text.startswith("0")):
        raise ValueError(f"{text!r} is no index of a list")
    index = int(text)
    if index > len(values) - (not beyond):
        raise IndexError(f"index {index} is outside of the list")
    return index


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value


def _an_object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise status.bad_request("the patch does not leave an object")
    return value
