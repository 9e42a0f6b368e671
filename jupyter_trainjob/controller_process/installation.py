"""Install the CustomResourceDefinitions and the runtimes into a cluster, and uninstall them.

Objects that someone else installed, such as those of Kubeflow Trainer, are left as they are: ours have the label
``app.kubernetes.io/managed-by: jupyter-trainjob``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.kinds import runtimes
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    CUSTOMRESOURCEDEFINITIONS,
    JOBSETS,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.api.schemas import crds
from jupyter_trainjob.constants import MANAGED_BY, MANAGED_BY_LABEL
from jupyter_trainjob.kube.client import Client

SERVED_SECONDS: Final = 30.0
_SHOWN: Final = 5


def install(client: Client) -> Iterator[str]:
    """Create or update the definitions, then the runtimes; yield a line about each.

    Raises `errors.ApiError` if the cluster refuses one, `errors.ClusterError` if it does not serve the new kinds.
    """
    for resource in crds.RESOURCES:
        yield _apply(client, CUSTOMRESOURCEDEFINITIONS, crds.load_crd(resource))
    for resource in crds.RESOURCES:
        _wait_until_served(client, resource)
    folders = runtimes.runtime_folders()
    for runtime in runtimes.load_runtimes([*folders, *(folder / "kubernetes" for folder in folders)]):
        yield _apply(client, CLUSTERTRAININGRUNTIMES, runtime)


def uninstall(client: Client) -> Iterator[str]:
    """Delete the runtimes and definitions that `install` created; yield a line about each.

    Raises `errors.UsageError`, before anything is deleted, if TrainJobs or JobSets exist: they would be deleted, too.
    """
    selector = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
    definitions = client.list(CUSTOMRESOURCEDEFINITIONS, labels=selector).items
    names = {definition["metadata"]["name"] for definition in definitions}
    for resource in (TRAINJOBS, JOBSETS):
        if _definition_name(resource) in names:
            _check_unused(client, resource)
    if client.find(CUSTOMRESOURCEDEFINITIONS, _definition_name(CLUSTERTRAININGRUNTIMES)):
        for runtime in client.list(CLUSTERTRAININGRUNTIMES, labels=selector).items:
            yield _delete(client, CLUSTERTRAININGRUNTIMES, runtime)
    for definition in definitions:
        yield _delete(client, CUSTOMRESOURCEDEFINITIONS, definition)


def _apply(client: Client, resource: Resource, wanted: KubeObject) -> str:
    name = wanted["metadata"]["name"]
    described = f"{resource.kind} {name}"
    labels = {**(wanted["metadata"].get("labels") or {}), MANAGED_BY_LABEL: MANAGED_BY}
    wanted = {**wanted, "metadata": {**wanted["metadata"], "labels": labels}}
    present = client.find(resource, name)
    if present is None:
        client.create(resource, wanted)
        return f"created {described}"
    if (present["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) != MANAGED_BY:
        return f"left {described} as it is: someone else installed it"
    patch = {"metadata": {"labels": labels}, "spec": _replacement(present["spec"], wanted["spec"])}
    changed = client.patch(resource, name, patch)
    same = changed["metadata"]["resourceVersion"] == present["metadata"]["resourceVersion"]
    return f"{'unchanged' if same else 'updated'} {described}"


def _replacement(present: Any, wanted: Any) -> Any:
    """Return the merge patch that turns one value into the other."""
    if not isinstance(present, dict) or not isinstance(wanted, dict):
        return wanted
    removed = dict.fromkeys(present.keys() - wanted.keys())
    return removed | {field: _replacement(present.get(field), value) for field, value in wanted.items()}


def _delete(client: Client, resource: Resource, obj: KubeObject) -> str:
    client.delete(resource, obj["metadata"]["name"])
    return f"deleted {resource.kind} {obj['metadata']['name']}"


def _check_unused(client: Client, resource: Resource) -> None:
    names = [f"{obj['metadata']['namespace']}/{obj['metadata']['name']}" for obj in client.list(resource).items]
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        message = (
            f"{len(names)} {resource.kind}s exist, which would be deleted with their definition: "
            f"{', '.join(names[:_SHOWN])}{more}. Delete them first. Nothing was deleted."
        )
        raise errors.UsageError(message)


def _definition_name(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}"


def _wait_until_served(client: Client, resource: Resource) -> None:
    deadline = time.monotonic() + SERVED_SECONDS
    while not _is_served(client, resource):
        if time.monotonic() > deadline:
            message = f"The cluster has the definition of {resource.kind}, and does not serve it after "
            raise errors.ClusterError(f"{message}{SERVED_SECONDS:.0f} s.")
        time.sleep(0.1)


def _is_served(client: Client, resource: Resource) -> bool:
    try:
        client.list(resource)
    except errors.ApiError as error:
        if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS):  # its storage is being prepared
            return False
        raise
    return True
