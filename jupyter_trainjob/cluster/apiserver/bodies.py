"""Request bodies: bytes in, dicts out; whatever cannot be understood is refused here with 400 or 415."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from jupyter_trainjob.api.resources import Object, Resource
from jupyter_trainjob.cluster.apiserver import protobuf, status
from jupyter_trainjob.cluster.apiserver.responses import JSON
from jupyter_trainjob.kube.transport import Request

YAML = "application/yaml"
LARGEST = 3 << 20
"""Bytes of a body, as a real server: --max-request-bytes of etcd, doubled."""


def media_type(request: Request) -> str:
    """Return the content type of a body without its parameters; JSON where none is said."""
    return request.content_type.partition(";")[0].strip().lower() or JSON


def check_size(request: Request) -> None:
    """Refuse a body that is too large to be stored."""
    if request.body is not None and len(request.body) > LARGEST:
        raise status.too_large(LARGEST)


def decode(request: Request, resource: Resource) -> Object:
    """Return the object in a body; its kind must be the resource's."""
    obj = _object(request)
    for field in ("kind", "apiVersion"):
        if not obj.get(field):
            raise status.bad_request(f"Object '{field}' is missing in the body of the request")
    if obj["apiVersion"] != resource.api_version:
        message = f"the API version in the data ({obj['apiVersion']}) does not match the expected API version "
        raise status.bad_request(f"{message}({resource.api_version})")
    if obj["kind"] != resource.kind:
        message = f"the kind in the data ({obj['kind']}) does not match the expected kind ({resource.kind})"
        raise status.bad_request(message)
    if not isinstance(obj.setdefault("metadata", {}), dict):
        raise status.bad_request("metadata: must be an object")
    return obj


def options(request: Request) -> Object:
    """Return the DeleteOptions of a request: its body, and the query where the body is silent."""
    found = _object(request) if request.body else {}
    found.pop("kind", None)
    found.pop("apiVersion", None)
    query = request.query
    if "propagationPolicy" in query:
        found.setdefault("propagationPolicy", query["propagationPolicy"])
    if query.get("gracePeriodSeconds"):
        found.setdefault("gracePeriodSeconds", integer(query, "gracePeriodSeconds"))
    if query.get("dryRun"):
        found.setdefault("dryRun", [query["dryRun"]])
    return found


def integer(query: Any, name: str) -> int | None:
    """Return a whole number of the query, None if it is absent."""
    text = query.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise status.bad_request(f"{name}: Invalid value: {text!r}: must be a whole number") from None


def flag(query: Any, name: str) -> bool:
    """Return whether a query parameter is true, as Go's ParseBool and Kubernetes' conversion see it."""
    return str(query.get(name, "")).lower() not in {"", "0", "f", "false"}


def loads(body: bytes) -> Any:
    """Parse JSON strictly: no NaN, no infinities."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise status.bad_request(f"the body of the request is not valid JSON: {error}") from None


def _object(request: Request) -> Object:
    body = request.body or b""
    match media_type(request):
        case "application/json":
            obj = loads(body)
        case "application/yaml":
            obj = _yaml(body)
        case protobuf.MEDIA_TYPE:
            obj = _protobuf(body)
        case _:
            raise status.unsupported_media_type([JSON, YAML])
    if not isinstance(obj, dict):
        raise status.bad_request("the body of the request must be an object")
    return obj


def _protobuf(body: bytes) -> Any:
    try:
        return protobuf.decode(body)
    except protobuf.Unreadable as error:
        remedy = "send JSON instead, for example with kubectl create --dry-run=client -o json | kubectl create -f -"
        raise status.failure(415, "UnsupportedMediaType", f"the body of the request: {error}; {remedy}") from None


def _yaml(body: bytes) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML as Kubernetes reads it: dates stay text."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        return yaml.load(body, Loader)  # noqa: S506 - derived from SafeLoader
    except yaml.YAMLError as error:
        raise status.bad_request(f"the body of the request is not valid YAML: {error}") from None


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")
