"""How the API says no: every refusal as an `errors.ApiError` that carries its Kubernetes ``Status`` object.

Handlers raise what these functions return, and `core` turns it into the answer. Reasons, codes and the wording of
messages follow apimachinery's ``errors.New…`` functions, because clients and people match on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jupyter_trainjob.api.resources import Object, Resource
from jupyter_trainjob.errors import ApiError


class Cause(NamedTuple):
    """One field of an object that breaks a rule."""

    field: str
    reason: str
    """``FieldValueInvalid``, ``FieldValueRequired``, …"""
    message: str


def failure(code: int, reason: str, message: str, details: Object | None = None) -> ApiError:
    """Return the error for a Status of these parts."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    status |= {"reason": reason, "code": code}
    if details:
        status["details"] = details
    return ApiError.of(code, status)


def success(resource: Resource | None = None, name: str = "", uid: str = "") -> Object:
    """Return the Status that says a deletion or binding is done."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if resource is not None:
        status["details"] = details(resource, name) | ({"uid": uid} if uid else {})
    return status


def details(resource: Resource, name: str) -> Object:
    """Return the details that name one object."""
    named: Object = {"name": name} if name else {}
    return named | ({"group": resource.group} if resource.group else {}) | {"kind": resource.plural}


def not_found(resource: Resource, name: str) -> ApiError:
    """404: no such object."""
    return failure(404, "NotFound", f'{resource.qualified} "{name}" not found', details(resource, name))


def unknown_path() -> ApiError:
    """404: nothing is served there."""
    return failure(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: Resource, name: str) -> ApiError:
    """409: the name is taken."""
    return failure(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    """409: the object is not in the state that the request assumes."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return failure(409, "Conflict", message, details(resource, name))


def modified(resource: Resource, name: str) -> ApiError:
    """409: the object has moved on since it was read."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def forbidden(resource: Resource, name: str, why: str, causes: Sequence[Cause] = ()) -> ApiError:
    """403: a rule forbids it, whoever asks."""
    about = details(resource, name) | ({"causes": [_cause(cause) for cause in causes]} if causes else {})
    return failure(403, "Forbidden", f'{resource.qualified} "{name}" is forbidden: {why}', about)


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object breaks rules of its kind."""
    lines = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    about = details(resource, name) | {"kind": resource.kind, "causes": [_cause(cause) for cause in causes]}
    return failure(422, "Invalid", f'{kind} "{name}" is invalid: {text}', about)


def unprocessable(message: str) -> ApiError:
    """422: the patch fits no object of this state."""
    return failure(422, "Invalid", message)


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return failure(400, "BadRequest", message)


def expired(message: str) -> ApiError:
    """410: the version is gone; list again."""
    return failure(410, "Expired", message)


def method_not_allowed() -> ApiError:
    """405: nothing of that method is served there."""
    return failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415: the body is in a format that is not served."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return failure(415, "UnsupportedMediaType", message)


def not_acceptable(offered: Sequence[str]) -> ApiError:
    """406: the client takes no format that is served."""
    return failure(406, "NotAcceptable", f"only the following media types are accepted: {', '.join(offered)}")


def unauthorized() -> ApiError:
    """401: no valid token."""
    return failure(401, "Unauthorized", "Unauthorized")


def too_large(limit: int) -> ApiError:
    """413: the body is larger than is stored."""
    return failure(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def internal(message: str) -> ApiError:
    """500: the server failed."""
    return failure(500, "InternalError", f"Internal error occurred: {message}")


def unavailable(message: str) -> ApiError:
    """503: the server is ending."""
    return failure(503, "ServiceUnavailable", message)


def _cause(cause: Cause) -> Object:
    return {"reason": cause.reason, "message": cause.message, "field": cause.field}
