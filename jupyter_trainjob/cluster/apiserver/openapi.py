"""OpenAPI documents, generated from the profile: as much as kubectl needs to know what it may send.

Schemas are open (the server checks objects itself), but each names its group, version and kind; each PATCH names the
query parameter ``fieldValidation``, which tells ``kubectl create`` and ``apply`` to leave checking to the server.
For a kind that is not served kubectl asks for OpenAPI v2 too, and only then says that there is no such kind.
"""

from __future__ import annotations

from typing import Final

from jupyter_trainjob.api.resources import ALL, Object, Resource

OLD: Final = "/openapi/v2"
"""Answered with a document that describes nothing, which has no bytes in protobuf."""
OLD_TYPE: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def documents(version: str) -> dict[str, Object]:
    """Return the OpenAPI v3 documents by path."""
    found: dict[str, Object] = {}
    index: Object = {}
    for group, group_version in sorted({(resource.group, resource.version) for resource in ALL}):
        name = f"apis/{group}/{group_version}" if group else f"api/{group_version}"
        served = [resource for resource in ALL if (resource.group, resource.version) == (group, group_version)]
        found[f"/openapi/v3/{name}"] = _document(served, version)
        index[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={version}"}
    found["/openapi/v3"] = {"paths": index}
    return found


def _document(served: list[Resource], version: str) -> Object:
    return {
        "openapi": "3.0.0",
        "info": {"title": "jupyter_trainjob", "version": version},
        "paths": {path: item for resource in served for path, item in _paths(resource).items()},
        "components": {"schemas": {_schema_name(resource): _schema(resource) for resource in served}},
    }


def _paths(resource: Resource) -> dict[str, Object]:
    namespace = "{namespace}" if resource.namespaced else None
    about = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    reference = {"$ref": f"#/components/schemas/{_schema_name(resource)}"}
    body = {"content": {"application/json": {"schema": reference}}}
    answer = {"200": {"description": "OK", **body}}

    def operation(action: str, *, writes: bool) -> Object:
        said: Object = {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": about, "responses": answer}
        if writes:
            said["parameters"] = [_parameter("dryRun"), _parameter("fieldManager"), _parameter("fieldValidation")]
            said["requestBody"] = body
        return said

    collection: Object = {"get": operation("list", writes=False), "post": operation("post", writes=True)}
    one: Object = {
        "get": operation("get", writes=False),
        "put": operation("put", writes=True),
        "patch": operation("patch", writes=True),
        "delete": operation("delete", writes=False),
    }
    return {resource.path(namespace): collection, resource.path(namespace, "{name}"): one}


def _parameter(name: str) -> Object:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}


def _schema(resource: Resource) -> Object:
    return {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
        "x-kubernetes-preserve-unknown-fields": True,
        "x-kubernetes-group-version-kind": [
            {"group": resource.group, "version": resource.version, "kind": resource.kind}
        ],
    }


def _schema_name(resource: Resource) -> str:
    domain = ".".join(reversed((resource.group or "core.api.k8s.io").split(".")))
    return f"{domain}.{resource.version}.{resource.kind}"
