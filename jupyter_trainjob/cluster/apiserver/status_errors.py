"""API errors as `errors.ApiError` with their Kubernetes ``Status``.

The verbs raise what these functions return, and `request_handler` turns it into a response. Codes, reasons and messages
are those of apimachinery's ``errors.New…`` functions, because clients and users rely on them
(https://pkg.go.dev/k8s.io/apimachinery/pkg/api/errors).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from jupyter_trainjob.api.resources import KubeObject, Resource
from jupyter_trainjob.errors import ApiError


class Cause(NamedTuple):
    """One invalid field of an object."""

    field: str
    reason: str
    """``FieldValueInvalid``, ``FieldValueRequired``, …"""
    message: str


def api_error(code: int, reason: str, message: str, details: KubeObject | None = None) -> ApiError:
    """Return the error with a Status of these parts."""
    status: KubeObject = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    status |= {"reason": reason, "code": code}
    if details is not None:
        status["details"] = details
    return ApiError.of(code, status)


def success_status(resource: Resource | None = None, name: str = "", uid: str = "") -> KubeObject:
    """Return the Status of a completed deletion or binding."""
    status: KubeObject = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if resource is not None:
        status["details"] = object_details(resource, name) | ({"uid": uid} if uid else {})
    return status


def object_details(resource: Resource, name: str) -> KubeObject:
    """Return the ``object_details`` of a Status that identify one object."""
    object_name: KubeObject = {"name": name} if name else {}
    return object_name | ({"group": resource.group} if resource.group else {}) | {"kind": resource.plural}


def not_found(resource: Resource, name: str) -> ApiError:
    """404: no such object."""
    return api_error(404, "NotFound", f'{resource.qualified} "{name}" not found', object_details(resource, name))


def unknown_path() -> ApiError:
    """404: the path is not served."""
    return api_error(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str) -> ApiError:
    """409: an object of that name exists."""
    return api_error(
        409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', object_details(resource, name)
    )


def conflict(resource: Resource, name: str, message: str) -> ApiError:
    """409: the object is not in the state that the request assumes."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {message}'
    return api_error(409, "Conflict", message, object_details(resource, name))


def modified(resource: Resource, name: str) -> ApiError:
    """409: the object was modified since it was read."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def forbidden(resource: Resource, name: str, message: str, causes: Sequence[Cause] = ()) -> ApiError:
    """403: the request is forbidden, for any user."""
    error_details = object_details(resource, name) | ({"causes": [_cause(cause) for cause in causes]} if causes else {})
    return api_error(403, "Forbidden", f'{resource.qualified} "{name}" is forbidden: {message}', error_details)


def exceeded_quota(resource: Resource, name: str, *, limit: int) -> ApiError:
    """403 as for a ResourceQuota: the store's quota of `limit` bytes is used up."""
    message = (
        f"exceeded quota: the objects of this cluster take {limit >> 20} MiB, all that it keeps in memory. Delete "
        "finished jobs, or the controller that created so many objects"
    )
    return forbidden(resource, name, message)


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: fields of the object are invalid."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return _invalid(kind, name, object_details(resource, name) | {"kind": resource.kind}, causes)


def wrong_kind(resource: Resource, kind: str) -> ApiError:
    """422: the object in the body of a custom resource has another kind."""
    cause = Cause("kind", "FieldValueInvalid", f'Invalid value: "{kind}": must be {resource.kind}')
    return _invalid(f"{kind}.{resource.group}", "", {"group": resource.group, "kind": kind}, [cause])


def invalid_version(version: str) -> ApiError:
    """400: the resourceVersion is not a number."""
    why = f'Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
    return bad_request(f"invalid resource version: resourceVersion: {why}")


def version_too_large(version: int, current: int) -> ApiError:
    """504: the resourceVersion is newer than the server's (``NewTooLargeResourceVersionError``)."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    return api_error(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def invalid_options(kind: str, causes: Sequence[Cause]) -> ApiError:
    """422: query parameters or DeleteOptions are invalid."""
    return _invalid(f"{kind}.meta.k8s.io", "", {"group": "meta.k8s.io", "kind": kind}, causes)


def invalid_patch(patched: str, why: str) -> ApiError:
    """422: the patched object cannot be decoded."""
    cause = Cause("patch", "FieldValueInvalid", f"Invalid value: {json.dumps(patched)}: {why}")
    return _invalid("", "", {}, [cause])


def unprocessable() -> ApiError:
    """422: the JSON patch cannot be applied to the object."""
    return api_error(422, "Invalid", "the server rejected our request due to an error in our request", {})


def denied(webhook: str, why: str) -> ApiError:
    """403: an admission webhook rejects the object (apiserver's ``ToStatusErr``)."""
    return api_error(403, "Forbidden", f'admission webhook "{webhook}" denied the request: {why}')


def bad_request(message: str) -> ApiError:
    """400: the request is malformed."""
    return api_error(400, "BadRequest", message)


def expired(message: str) -> ApiError:
    """410: the version was compacted; list again."""
    return api_error(410, "Expired", message)


def method_not_allowed() -> ApiError:
    """405: the method is not served for this resource."""
    return api_error(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415: the body has an unsupported format."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return api_error(415, "UnsupportedMediaType", message)


def not_acceptable(offered: Sequence[str]) -> ApiError:
    """406: the client accepts no supported format."""
    return api_error(406, "NotAcceptable", f"only the following media types are accepted: {', '.join(offered)}")


def unauthorized() -> ApiError:
    """401: no valid token."""
    return api_error(401, "Unauthorized", "Unauthorized")


def too_large(limit: int) -> ApiError:
    """413: the body exceeds the limit in bytes."""
    return api_error(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def internal(message: str) -> ApiError:
    """500: the server failed."""
    return api_error(500, "InternalError", f"Internal error occurred: {message}")


def unavailable(message: str) -> ApiError:
    """503: the server is shutting down."""
    return api_error(503, "ServiceUnavailable", message)


def _invalid(kind: str, name: str, error_details: KubeObject, causes: Sequence[Cause]) -> ApiError:
    lines = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    error_details = {**error_details, "causes": [_cause(cause) for cause in causes]}
    return api_error(422, "Invalid", f'{kind} "{name}" is invalid: {text}', error_details)


def _cause(cause: Cause) -> KubeObject:
    return {"reason": cause.reason, "message": cause.message, "field": cause.field}
