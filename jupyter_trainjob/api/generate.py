"""Writes the CRDs: the models of ``kubeflow_trainer_api``, inlined and made structural, with `api.overlay` on top.

``python -m jupyter_trainjob.api.generate`` rewrites ``api/crds/*.yaml``. It is run by developers when the models or
the overlay change, and by a test that compares; nothing imports it otherwise, since the models take seconds to load.
The files hold JSON, which is YAML that loads fifty times faster. Descriptions are left out: they are the models' own.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

from jupyter_trainjob.api import crds, overlay, podgroups
from jupyter_trainjob.api.resources import PODGROUPS, Object, Resource

_MODELS = {
    "TrainJob": "TrainerV1alpha1TrainJob",
    "TrainingRuntime": "TrainerV1alpha1TrainingRuntime",
    "ClusterTrainingRuntime": "TrainerV1alpha1ClusterTrainingRuntime",
    "JobSet": "JobsetV1alpha2JobSet",
}
_PREFIXES = (
    "TrainerV1alpha1",
    "JobsetV1alpha2",
    "SchedulingV1beta1",
    "IoK8sApiCoreV1",
    "IoK8sApiBatchV1",
    "IoK8sApimachineryPkgApisMetaV1",
    "IoK8sApimachineryPkgApiResource",
    "IoK8sApimachineryPkgUtilIntstr",
)


def crd(resource: Resource) -> Object:
    """Return the CustomResourceDefinition of one of our kinds."""
    version: Object = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _schema(resource)},
    }
    if overlay.COLUMNS[resource.kind]:
        version["additionalPrinterColumns"] = overlay.COLUMNS[resource.kind]
    if resource.status:
        version["subresources"] = {"status": {}}
    names: Object = {
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "singular": resource.singular,
    }
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    scope = "Namespaced" if resource.namespaced else "Cluster"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.qualified},
        "spec": {"group": resource.group, "names": names, "scope": scope, "versions": [version]},
    }


def text(resource: Resource) -> str:
    """Return the content of the CRD's file."""
    return json.dumps(crd(resource), indent=1) + "\n"


def main() -> None:
    """Rewrite every CRD."""
    for resource in crds.RESOURCES:
        crds.path(resource).write_text(text(resource))


def facts_used(resource: Resource) -> set[str]:
    """Return the keys of the overlay that a kind's CRD makes use of."""
    return _inlined(resource)[1]


def _schema(resource: Resource) -> Object:
    schema, _ = _inlined(resource)
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


@cache
def _inlined(resource: Resource) -> tuple[Object, set[str]]:
    if resource == PODGROUPS:
        return copy.deepcopy(podgroups.SCHEMA), set()
    from kubeflow_trainer_api import models

    whole = getattr(models, _MODELS[resource.kind]).model_json_schema(by_alias=True)
    inliner = _Inliner(whole["$defs"])
    return inliner.model(resource.kind, whole), inliner.used


class _Inliner:
    """Turns pydantic's JSON schema, with references and nulls, into a structural one with our facts on it."""

    def __init__(self, definitions: Object) -> None:
        self._definitions = definitions
        self.used: set[str] = set()
        """The keys of the overlay that were met."""

    def model(self, name: str, schema: Object) -> Object:
        if name in overlay.REPLACED:
            return dict(overlay.REPLACED[name])
        properties = {}
        for field, value in (schema.get("properties") or {}).items():
            inner = self._value(value, wide=field in overlay.WIDE)
            properties[field] = _laid_over(inner, self._facts(f"{name}.{field}"))
        result: Object = {"type": "object"}
        if properties:
            result["properties"] = properties
        if schema.get("required"):
            result["required"] = sorted(schema["required"])
        return _laid_over(result, self._facts(name))

    def _facts(self, key: str) -> Object:
        if key not in overlay.FACTS:
            return {}
        self.used.add(key)
        return overlay.FACTS[key]

    def _value(self, schema: Any, *, wide: bool) -> Object:
        choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
        (only,) = choices
        if "$ref" in only:
            name = only["$ref"].rsplit("/", 1)[1]
            result = self.model(_short(name), self._definitions[name])
        else:
            result = self._plain(only, wide=wide)
        if schema.get("default") is not None:
            result["default"] = schema["default"]
        return result

    def _plain(self, schema: Object, *, wide: bool) -> Object:
        result: Object = {"type": schema["type"]}
        if schema["type"] == "integer":
            result["format"] = "int64" if wide else "int32"
        elif "format" in schema:
            result["format"] = schema["format"]
        if "items" in schema:
            result["items"] = self._value(schema["items"], wide=wide)
        if isinstance(schema.get("additionalProperties"), dict):
            result["additionalProperties"] = self._value(schema["additionalProperties"], wide=wide)
        return result


def _laid_over(schema: Object, facts: Object) -> Object:
    """Return the schema with facts on it; those under ``items`` concern each item of a list."""
    merged = {**schema, **facts}
    if "items" in facts:
        merged["items"] = {**schema["items"], **facts["items"]}
    return merged


def _short(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)


if __name__ == "__main__":
    main()
