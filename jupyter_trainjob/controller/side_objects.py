"""Create and update what a TrainJob needs beside its JobSet: PodGroups, and the Secrets and ConfigMaps of its pods.

Upstream applies them with server-side apply and ``force``, which also takes objects of others. Here an object that does
not belong to the TrainJob is never changed.
"""

from __future__ import annotations

from typing import Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import (
    CONFIGMAPS,
    PODGROUPS,
    SECRETS,
    TRAINJOBS,
    VOLCANO_PODGROUPS,
    KubeObject,
    Resource,
    controller_of,
)
from jupyter_trainjob.controller.framework.pipeline_errors import BuildError
from jupyter_trainjob.controller.owned_fields import merge_owned
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import key_of

_RESOURCES: Final = {
    (resource.api_version, resource.kind): resource for resource in (CONFIGMAPS, PODGROUPS, SECRETS, VOLCANO_PODGROUPS)
}
_SOURCES: Final = {PODGROUPS: ("coscheduling", "scheduler-plugins"), VOLCANO_PODGROUPS: ("volcano", "Volcano")}
"""For kinds that Kubernetes does not have: the policy that needs them, and the project that has to be installed."""


class SideObjects:
    """Creates and updates the side objects of TrainJobs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def apply(self, train_job: KubeObject, wanted: KubeObject, *, new: bool) -> None:
        """Create an object, or update it where its kind allows that; `new`: it probably does not exist.

        A PodGroup changes only while the job is suspended, and an immutable Secret never. Raises `BuildError` if the
        object has another owner or the cluster lacks its kind, and `Conflict` if an earlier job of the same name
        still has it.
        """
        resource = _RESOURCES[wanted["apiVersion"], wanted["kind"]]
        namespace, name = key_of(wanted)
        current = None if new else self._client.find(resource, name, namespace=namespace)
        if current is None:
            try:
                self._client.create(resource, wanted)
            except errors.AlreadyExists:
                current = self._client.get(resource, name, namespace=namespace)
            except errors.NotFound:
                if resource not in _SOURCES:
                    raise
                raise _missing_kind(resource) from None
            else:
                return
        if resource is SECRETS and controller_of(current) is None:
            return  # As upstream, a user may bring the Secret.
        check_owned(resource, current, train_job)
        patch = _changes(resource, current, wanted, suspended=bool(train_job["spec"].get("suspend")))
        if patch:
            patch["metadata"] = {"resourceVersion": current["metadata"]["resourceVersion"]}
            self._client.patch(resource, name, patch, namespace=namespace)


def is_owned(existing: KubeObject, train_job: KubeObject) -> bool:
    """Return whether the TrainJob controls an object."""
    owner = controller_of(existing)
    return owner is not None and owner["uid"] == train_job["metadata"]["uid"]


def check_owned(resource: Resource, existing: KubeObject, train_job: KubeObject) -> None:
    """Raise an error for an object of the job's name that it does not own.

    Raises `Conflict` if the owner is an earlier job of this name, whose objects will be collected, else `BuildError`.
    """
    if is_owned(existing, train_job):
        return
    owner, name = controller_of(existing), existing["metadata"]["name"]
    if owner is not None and (owner["kind"], owner["name"]) == (TRAINJOBS.kind, train_job["metadata"]["name"]):
        raise errors.Conflict(409, "Conflict", f"the {resource.kind} of an earlier job of this name is still there")
    raise BuildError(
        f"there is a {resource.kind} {name!r} that does not belong to this TrainJob. Delete it, or give the TrainJob "
        "another name."
    )


def _changes(resource: Resource, current: KubeObject, wanted: KubeObject, *, suspended: bool) -> KubeObject:
    """Return the merge patch for an existing object; empty if nothing has to change or may change."""
    if resource in (PODGROUPS, VOLCANO_PODGROUPS):
        spec = merge_owned(current.get("spec") or {}, wanted["spec"])
        return {"spec": spec} if suspended and spec != current.get("spec") else {}
    if current.get("immutable") or (current.get("data") or {}) == wanted["data"]:
        return {}
    removed = dict.fromkeys((current.get("data") or {}).keys() - wanted["data"].keys())
    return {"data": {**removed, **wanted["data"]}}


def _missing_kind(resource: Resource) -> BuildError:
    policy, source = _SOURCES[resource]
    return BuildError(
        f"the runtime asks for podGroupPolicy.{policy}, and this cluster does not know {resource.kind}s of "
        f"{resource.group}. Have {source} installed there, or choose another runtime."
    )
