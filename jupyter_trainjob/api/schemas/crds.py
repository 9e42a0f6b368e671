"""Load the CustomResourceDefinitions in ``api/schemas/crds``, once and lazily.

The embedded server defaults and validates by their schemas; a real one accepts the files unchanged. `api.generate`
writes the files as JSON, which is valid YAML, so that loading all of them takes a millisecond.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBSETS,
    PODGROUPS,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
    Resource,
)

RESOURCES: Final = (TRAINJOBS, TRAININGRUNTIMES, CLUSTERTRAININGRUNTIMES, JOBSETS, PODGROUPS)
"""The kinds that are custom resources, in the order in which they are installed."""

_FOLDER: Final = Path(__file__).parent / "crds"


def crd_path(resource: Resource) -> Path:
    """Return the file of a kind's CRD."""
    return _FOLDER / f"{resource.group}_{resource.plural}.yaml"


@cache
def load_crd(resource: Resource) -> KubeObject:
    """Return the CRD of one of `RESOURCES`. It is cached and shared: never modify it."""
    crd: KubeObject = json.loads(crd_path(resource).read_bytes())
    return crd


def structural_schema(resource: Resource) -> KubeObject | None:
    """Return the structural schema of a kind, or None if the kind is built into Kubernetes."""
    if resource not in RESOURCES:
        return None
    schema: KubeObject = load_crd(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def printer_columns(resource: Resource) -> list[KubeObject]:
    """Return the columns of ``kubectl get`` for this kind, besides the name."""
    if resource not in RESOURCES:
        return []
    return list(load_crd(resource)["spec"]["versions"][0].get("additionalPrinterColumns") or ())
