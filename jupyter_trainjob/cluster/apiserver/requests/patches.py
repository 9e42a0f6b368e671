"""Parse PATCH bodies into functions from object to patched object.

JSON merge patch (RFC 7396) and JSON patch (RFC 6902) for every kind, strategic merge patch for Kubernetes' own kinds
only, as on a real server. Server-side apply is not supported (415).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonpatch

from jupyter_trainjob.api.resources import KubeObject, Resource
from jupyter_trainjob.api.schemas import scalars
from jupyter_trainjob.api.strategic_merge_patch import apply_strategic_merge_patch
from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.apiserver.admission import metadata
from jupyter_trainjob.cluster.apiserver.requests import request_bodies
from jupyter_trainjob.errors import ApiError
from jupyter_trainjob.kube.client import MERGE_PATCH
from jupyter_trainjob.kube.transport import Request

JSON_PATCH = "application/json-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"


def parse_patch(request: Request, resource: Resource) -> Callable[[KubeObject], KubeObject]:
    """Return the function that applies the patch in a request. It may modify its argument."""
    offered = [JSON_PATCH, MERGE_PATCH]
    if not metadata.is_custom(resource):
        offered.append(STRATEGIC_MERGE_PATCH)
    kind = request_bodies.media_type(request)
    if kind not in offered:
        raise status_errors.unsupported_media_type(offered)
    patch = request_bodies.parse_json(request.body or b"", message="invalid JSON patch")

    def change(obj: KubeObject) -> KubeObject:
        if kind == JSON_PATCH:
            _check_operations(patch)
            return apply_json_patch(obj, patch)
        if not isinstance(patch, dict):
            raise _undecodable(patch, "Go value of type map[string]interface {}")
        if kind == STRATEGIC_MERGE_PATCH:
            try:
                return apply_strategic_merge_patch(obj, patch)
            except ValueError as error:
                raise status_errors.bad_request(str(error)) from None
        merged: KubeObject = apply_merge_patch(obj, patch)
        return merged

    return change


def apply_merge_patch(target: Any, patch: Any) -> Any:
    """Return `target` with a JSON merge patch applied (RFC 7396).

    >>> apply_merge_patch({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = apply_merge_patch(merged.get(key), value)
    return merged


def apply_json_patch(document: KubeObject, patch: list[Any]) -> KubeObject:
    """Return `document`, modified by the operations of a JSON patch in order (RFC 6902). Raises 422 if one fails."""
    patched: Any = document
    try:
        for operation in patch:
            patched = jsonpatch.apply_patch(patched, [_as_upstream(patched, operation)], in_place=True)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError):  # TypeError: of jsonpatch 1.33
        raise status_errors.unprocessable() from None
    if not isinstance(patched, dict):
        raise status_errors.unprocessable()
    return patched


def _as_upstream(document: Any, operation: Any) -> Any:
    """Let "replace" add a member that is missing, as upstream's library does (https://github.com/evanphx/json-patch)."""
    if not isinstance(operation, dict) or operation.get("op") != "replace" or "path" not in operation:
        return operation
    parent, _ = jsonpatch.JsonPointer(operation["path"]).to_last(document)
    return {**operation, "op": "add"} if isinstance(parent, dict) else operation


def _check_operations(patch: Any) -> None:
    """Raise 400 for a JSON patch that is not a list of well-formed operations."""
    if not isinstance(patch, list):
        raise _undecodable(patch, "Go value of type []handlers.jsonPatchOp")
    for operation in patch:
        if not isinstance(operation, dict):
            raise _undecodable(operation, "Go value of type handlers.jsonPatchOp")
        for field in ("op", "path", "from"):
            if not isinstance(operation.get(field, ""), str):
                raise _undecodable(operation[field], f"Go struct field jsonPatchOp.{field} of type string")


def _undecodable(value: Any, wanted: str) -> ApiError:
    return status_errors.bad_request(
        f"error decoding patch: json: cannot unmarshal {scalars.json_type(value)} into {wanted}"
    )
