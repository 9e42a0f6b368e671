"""The CustomResourceDefinitions that we speak of, as committed in ``api/crds``: loaded when asked for, then kept.

The embedded server defaults and validates by their schemas; a real one takes the files as they are.
The files are written by `api.generate`; they are JSON inside, so that loading all of them takes a millisecond.
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
    Object,
    Resource,
)

RESOURCES: Final = (TRAINJOBS, TRAININGRUNTIMES, CLUSTERTRAININGRUNTIMES, JOBSETS, PODGROUPS)
"""The kinds that are custom resources, in the order in which they are installed."""

_FOLDER: Final = Path(__file__).parent / "crds"


def path(resource: Resource) -> Path:
    """Return the file of a kind's CRD."""
    return _FOLDER / f"{resource.group}_{resource.plural}.yaml"


@cache
def load(resource: Resource) -> Object:
    """Return the CRD of one of `RESOURCES`. It is shared: do not change it."""
    crd: Object = json.loads(path(resource).read_bytes())
    return crd


def schema(resource: Resource) -> Object | None:
    """Return the schema by which objects of this kind are held, or None if the kind is built into Kubernetes."""
    if resource not in RESOURCES:
        return None
    found: Object = load(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def columns(resource: Resource) -> list[Object]:
    """Return the columns that ``kubectl get`` prints for this kind beside the name; empty if there are none."""
    if resource not in RESOURCES:
        return []
    return list(load(resource)["spec"]["versions"][0].get("additionalPrinterColumns") or ())
