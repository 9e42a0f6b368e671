"""OpenAPI documents of the served kinds, for ``kubectl explain`` and kubectl's validation.

The schemas are those of request validation (`api.schemas.builtin_types`, `api.schemas.crds`). Each PATCH has the query
parameter ``fieldValidation``, so that ``kubectl create`` and ``apply`` leave validation to the server. For an unknown
kind kubectl also requests OpenAPI v2 before it reports an error.
"""

from __future__ import annotations

from typing import Any, Final

from jupyter_trainjob.api.resources import ALL, KubeObject, Resource
from jupyter_trainjob.api.schemas import builtin_types, crds

V2_PATH: Final = "/openapi/v2"
"""Answered with an empty document, which has no bytes in protobuf."""
V2_CONTENT_TYPE: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def openapi_documents(version: str) -> dict[str, KubeObject]:
    """Return the OpenAPI v3 documents by path."""
    result: dict[str, KubeObject] = {}
    index: KubeObject = {}
    for group, group_version in sorted({(resource.group, resource.version) for resource in ALL}):
        name = f"apis/{group}/{group_version}" if group else f"api/{group_version}"
        served = [resource for resource in ALL if (resource.group, resource.version) == (group, group_version)]
        result[f"/openapi/v3/{name}"] = _document(served, version)
        index[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={version}"}
    result["/openapi/v3"] = {"paths": index}
    return result


def _document(served: list[Resource], version: str) -> KubeObject:
    return {
        "openapi": "3.0.0",
        "info": {"title": "jupyter_trainjob", "version": version},
        "paths": {path: item for resource in served for path, item in _paths(resource).items()},
        "components": {"schemas": _schemas(served)},
    }


def _schemas(served: list[Resource]) -> KubeObject:
    """Return the schemas of the kinds, and all definitions that they reference."""
    schemas = {_schema_name(resource): _schema(resource) for resource in served}
    missing = [name for schema in schemas.values() for name in _references(schema)]
    while missing:
        name = missing.pop()
        if name not in schemas:
            schemas[name] = builtin_types.definitions()[name]
            missing += _references(schemas[name])
    return schemas


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for item in schema for name in _references(item)]
    if not isinstance(schema, dict):
        return []
    name = builtin_types.referenced_definition(schema)
    below = [name for item in schema.values() for name in _references(item)]
    return below if name is None else [name, *below]


def _paths(resource: Resource) -> dict[str, KubeObject]:
    namespace = "{namespace}" if resource.namespaced else None
    group_version_kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    reference = {"$ref": f"#/components/schemas/{_schema_name(resource)}"}
    body = {"content": {"application/json": {"schema": reference}}}
    responses = {"200": {"description": "OK", **body}}

    def operation(action: str, *, writes: bool) -> KubeObject:
        document: KubeObject = {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": group_version_kind,
            "responses": responses,
        }
        if writes:
            document["parameters"] = [_parameter("dryRun"), _parameter("fieldManager"), _parameter("fieldValidation")]
            document["requestBody"] = body
        return document

    collection: KubeObject = {"get": operation("list", writes=False), "post": operation("post", writes=True)}
    item: KubeObject = {
        "get": operation("get", writes=False),
        "put": operation("put", writes=True),
        "patch": operation("patch", writes=True),
        "delete": operation("delete", writes=False),
    }
    return {resource.path(namespace): collection, resource.path(namespace, "{name}"): item}


def _parameter(name: str) -> KubeObject:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}


def _schema(resource: Resource) -> KubeObject:
    name = builtin_types.definition_name(resource)
    if name is not None:
        return builtin_types.definitions()[name]
    schema = crds.structural_schema(resource) or {}
    metadata = {"$ref": f"#/components/schemas/{builtin_types.OBJECT_META}"}
    group_version_kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {
        **schema,
        "properties": {**schema["properties"], "metadata": metadata},
        "x-kubernetes-group-version-kind": [group_version_kind],
    }


def _schema_name(resource: Resource) -> str:
    domain = ".".join(reversed(resource.group.split(".")))
    return builtin_types.definition_name(resource) or f"{domain}.{resource.version}.{resource.kind}"
