"""Decode request bodies. Raises `errors.ApiError` (400, 413, 415) for invalid ones."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from jupyter_trainjob.api.resources import ALL, KubeObject, Resource
from jupyter_trainjob.api.schemas import builtin_types, crds, decoding
from jupyter_trainjob.api.schemas.scalars import Report, json_type
from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.apiserver.requests import protobuf
from jupyter_trainjob.cluster.apiserver.responses import JSON
from jupyter_trainjob.errors import ApiError, BadRequest
from jupyter_trainjob.kube.transport import Request

YAML = "application/yaml"
MAX_BODY_BYTES = 3 << 20
"""Most bytes of a body, as on a real server (``MaxRequestBodyBytes``: twice etcd's default limit)."""


def media_type(request: Request) -> str:
    """Return the content type of a body without parameters; JSON by default."""
    return request.content_type.partition(";")[0].strip().lower() or JSON


def check_size(request: Request) -> None:
    """Raise 413 for a body that is too large."""
    if request.body is not None and len(request.body) > MAX_BODY_BYTES:
        raise status_errors.too_large(MAX_BODY_BYTES)


def decode_object(request: Request, resource: Resource) -> tuple[KubeObject, list[str]]:
    """Return the object in a body, and its unknown fields. Raises 400 if it is not an object of the resource's kind."""
    obj = _parse_body(request, resource)
    kind, api_version = (_type_field(request, resource, obj, field) for field in ("kind", "apiVersion"))
    _check_type(request, resource, kind, api_version)
    decoded, report = decoding.decode(resource, obj)
    if report.error:
        raise status_errors.bad_request(f"{decode_error_prefix(resource)}: {report.error}")
    return {**decoded, "kind": kind or resource.kind, "apiVersion": resource.api_version}, report.unknown


def decode_error_prefix(resource: Resource) -> str:
    """Return the prefix of decoding errors (``transformDecodeError``)."""
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'


def _type_field(request: Request, resource: Resource, obj: KubeObject, field: str) -> str:
    value = obj.get(field)
    if value is not None and not isinstance(value, str):
        why = f"json: cannot unmarshal {json_type(value)} into Go struct field .{field} of type string"
        raise _unrecognized(request, resource, f"couldn't get version/kind; json parse error: {why}")
    return value or ""


def _check_type(request: Request, resource: Resource, kind: str, api_version: str) -> None:
    """Raise an error for a body of another kind or API version; both are optional for built-in kinds."""
    if resource in crds.RESOURCES:
        if not kind:
            raise _unrecognized(request, resource, f"Object 'Kind' is missing in '{_body_text(request)}'")
        if api_version != resource.api_version:
            message = f"the API version in the data ({api_version}) does not match the expected API version "
            raise status_errors.bad_request(f"{message}({resource.api_version})")
        if kind != resource.kind:
            raise status_errors.wrong_kind(resource, kind)
        return
    sent_type = (kind or resource.kind, api_version or resource.api_version)
    if sent_type == (resource.kind, resource.api_version):
        return
    version = sent_type[1].rpartition("/")[2]
    if any(sent_type == (served.kind, served.api_version) for served in ALL):
        package = resource.group.partition(".")[0] or "core"
        why = f"converting ({version}.{kind}) to ({package}.{resource.kind}): unknown conversion"
    else:
        why = (
            f'no kind "{sent_type[0]}" is registered for version "{sent_type[1]}" in scheme "pkg/runtime/scheme.go:111"'
        )
    raise status_errors.bad_request(
        f'{sent_type[0]} in version "{version}" cannot be handled as a {resource.kind}: {why}'
    )


def _body_text(request: Request) -> str:
    return (request.body or b"").decode(errors="replace").strip()


def _unrecognized(request: Request, resource: Resource, reason: str) -> ApiError:
    """400: the kind is missing or malformed; shows the beginning of the body (``summarizeData``)."""
    beginning = _body_text(request)[:30]
    summary = f"{beginning} ..." if len(_body_text(request)) > 30 else beginning or "<empty>"
    prefix = f"the object provided is unrecognized (must be of type {resource.kind})"
    return status_errors.bad_request(f"{prefix}: {reason} ({summary})")


def delete_options(request: Request) -> KubeObject:
    """Return the DeleteOptions of a request: those of the body, else those of the query."""
    delete_options, report = (
        decoding.decode_as(builtin_types.DELETE_OPTIONS, _parse_body(request)) if request.body else ({}, Report())
    )
    if report.error:
        raise status_errors.bad_request(report.error)
    query = request.query
    if "propagationPolicy" in query:
        delete_options.setdefault("propagationPolicy", query["propagationPolicy"])
    if query.get("gracePeriodSeconds"):
        delete_options.setdefault("gracePeriodSeconds", int_parameter(query, "gracePeriodSeconds"))
    if query.get("dryRun"):
        delete_options.setdefault("dryRun", [query["dryRun"]])
    return delete_options


def int_parameter(query: Any, name: str) -> int | None:
    """Return an integer query parameter, None if it is absent; raises 400 if it is malformed."""
    text = query.get(name)
    if not text:
        return None
    if re.fullmatch(r"[+-]?[0-9]+", text) is None:
        raise status_errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def bool_parameter(query: Any, name: str) -> bool:
    """Return a boolean query parameter, parsed as Kubernetes does (``Convert_Slice_string_To_bool``)."""
    return str(query.get(name, "")).lower() not in {"", "0", "f", "false"}


def parse_json(body: bytes, *, message: str = "") -> Any:
    """Parse JSON without NaN and infinities. Raises 400, with the message `message` if given."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise status_errors.bad_request(message or _json_error(body, error)) from None


def _json_error(body: bytes, error: Exception) -> str:
    """Return the message of Go's JSON decoder for invalid JSON."""
    text = body.decode(errors="replace")
    position = error.pos if isinstance(error, json.JSONDecodeError) else 0
    if not text[position:].strip():
        return "unexpected end of JSON input"
    return f"invalid character {text[position]!r} looking for beginning of value"


def _parse_body(request: Request, resource: Resource | None = None) -> KubeObject:
    body = request.body or b""
    match media_type(request):
        case "application/json":
            try:
                obj = parse_json(body)
            except BadRequest as error:
                if resource is None:
                    raise
                why = f"couldn't get version/kind; json parse error: {error}"
                raise _unrecognized(request, resource, why) from None
        case "application/yaml":
            obj = _parse_yaml(body)
        case protobuf.MEDIA_TYPE:
            obj = _parse_protobuf(body)
        case _:
            raise status_errors.unsupported_media_type([JSON, YAML])
    if not isinstance(obj, dict):
        raise status_errors.bad_request("the body of the request must be an object")
    return obj


def _parse_protobuf(body: bytes) -> Any:
    try:
        return protobuf.decode(body)
    except protobuf.UnsupportedBody as error:
        remedy = "send JSON instead, for example with kubectl create --dry-run=client -o json | kubectl create -f -"
        raise status_errors.api_error(
            415, "UnsupportedMediaType", f"the body of the request: {error}; {remedy}"
        ) from None


def _parse_yaml(body: bytes) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Loads YAML as Kubernetes does: dates stay strings."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        return yaml.load(body, Loader)  # noqa: S506 - derived from SafeLoader
    except yaml.YAMLError as error:
        raise status_errors.bad_request(f"the body of the request is not valid YAML: {error}") from None


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")
