"""Generate the CRDs: the models of ``kubeflow_trainer_api``, inlined and made structural, with `api.overlay`.

``python -m jupyter_trainjob.api.generate`` rewrites ``api/schemas/crds/*.yaml``. Developers run it when the models
or the overlay change, and a test checks that the files are current. No other code imports it: loading the models
takes seconds. The files contain JSON, the subset of YAML that loads fifty times faster, without descriptions.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

from jupyter_trainjob.api import overlay
from jupyter_trainjob.api.kinds import podgroups
from jupyter_trainjob.api.resources import PODGROUPS, KubeObject, Resource
from jupyter_trainjob.api.schemas import crds

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


def build_crd(resource: Resource) -> KubeObject:
    """Return the CustomResourceDefinition of a kind."""
    version: KubeObject = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _schema(resource)},
    }
    if overlay.COLUMNS[resource.kind]:
        version["additionalPrinterColumns"] = overlay.COLUMNS[resource.kind]
    if resource.status:
        version["subresources"] = {"status": {}}
    names: KubeObject = {
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


def crd_text(resource: Resource) -> str:
    """Return the content of the CRD's file."""
    return json.dumps(build_crd(resource), indent=1) + "\n"


def main() -> None:
    """Rewrite every CRD."""
    for resource in crds.RESOURCES:
        crds.crd_path(resource).write_text(crd_text(resource))


def facts_used(resource: Resource) -> set[str]:
    """Return the keys of the overlay that the CRD of a kind uses."""
    return _inlined(resource)[1]


def _schema(resource: Resource) -> KubeObject:
    schema, _ = _inlined(resource)
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


@cache
def _inlined(resource: Resource) -> tuple[KubeObject, set[str]]:
    if resource == PODGROUPS:
        return copy.deepcopy(podgroups.SCHEMA), set()
    from kubeflow_trainer_api import models

    whole = getattr(models, _MODELS[resource.kind]).model_json_schema(by_alias=True)
    inliner = _Inliner(whole["$defs"])
    return inliner.model(resource.kind, whole), inliner.used


class _Inliner:
    """Converts pydantic's JSON schema, with references and nulls, to a structural schema with the overlay's facts."""

    def __init__(self, definitions: KubeObject) -> None:
        self._definitions = definitions
        self.used: set[str] = set()
        """The keys of the overlay that were used."""

    def model(self, name: str, schema: KubeObject) -> KubeObject:
        if name in overlay.REPLACED:
            return dict(overlay.REPLACED[name])
        properties = {}
        for field, value in (schema.get("properties") or {}).items():
            inner = self._value(value, is_int64=field in overlay.WIDE)
            properties[field] = _with_facts(inner, self._facts(f"{name}.{field}"))
        result: KubeObject = {"type": "object"}
        if properties:
            result["properties"] = properties
        if schema.get("required"):
            result["required"] = sorted(schema["required"])
        return _with_facts(result, self._facts(name))

    def _facts(self, key: str) -> KubeObject:
        if key not in overlay.FACTS:
            return {}
        self.used.add(key)
        return overlay.FACTS[key]

    def _value(self, schema: Any, *, is_int64: bool) -> KubeObject:
        choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
        (only,) = choices
        if "$ref" in only:
            name = only["$ref"].rsplit("/", 1)[1]
            result = self.model(_short(name), self._definitions[name])
        else:
            result = self._plain(only, is_int64=is_int64)
        if schema.get("default") is not None:
            result["default"] = schema["default"]
        return result

    def _plain(self, schema: KubeObject, *, is_int64: bool) -> KubeObject:
        result: KubeObject = {"type": schema["type"]}
        if schema["type"] == "integer":
            result["format"] = "int64" if is_int64 else "int32"
        elif "format" in schema:
            result["format"] = schema["format"]
        if "items" in schema:
            result["items"] = self._value(schema["items"], is_int64=is_int64)
        if isinstance(schema.get("additionalProperties"), dict):
            result["additionalProperties"] = self._value(schema["additionalProperties"], is_int64=is_int64)
        return result


def _with_facts(schema: KubeObject, facts: KubeObject) -> KubeObject:
    """Return the schema with facts merged in; those under ``items`` apply to each item of a list."""
    merged = {**schema, **facts}
    if "items" in facts:
        merged["items"] = {**schema["items"], **facts["items"]}
    return merged


def _short(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)


if __name__ == "__main__":
    main()
