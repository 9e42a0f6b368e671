"""Set the metadata that the API server controls: identity, version, generation, deletion.

`prepare_for_create` sets it on a new object, `prepare_for_update` merges a client's object with fields that must not
change, as apiserver's ``rest.BeforeCreate`` and ``rest.BeforeUpdate`` do. Pure functions; the rules of single kinds are
in `kind_strategies`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from jupyter_trainjob.api import name_validation, times
from jupyter_trainjob.api.resources import JOBS, PODS, KubeObject, Resource
from jupyter_trainjob.api.schemas import crds
from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.apiserver.status_errors import Cause

_SERVER_FIELDS: Final = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_MAX_ANNOTATION_BYTES: Final = 256 << 10
_DROPPED_FIELDS: Final = ("managedFields", "selfLink")


def is_custom(resource: Resource) -> bool:
    """Return whether this kind is a custom resource on a real server, for which some rules differ."""
    return resource in crds.RESOURCES


def prepare_for_create(resource: Resource, obj: KubeObject, *, namespace: str | None, now: datetime) -> KubeObject:
    """Return a new object with name, uid and timestamps; raises 400 for contradictory metadata."""
    metadata = dict(obj["metadata"])
    if metadata.get("resourceVersion"):
        raise status_errors.bad_request("resourceVersion should not be set on objects to be created")
    for field in (*_SERVER_FIELDS, *_DROPPED_FIELDS, "resourceVersion"):
        metadata.pop(field, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = name_validation.generate_name(metadata["generateName"])
    if namespace is None:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", namespace) != namespace:
        why = "the namespace of the provided object does not match the namespace sent on the request"
        raise status_errors.bad_request(why)
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": times.timestamp(now)}
    if has_generation(resource):
        metadata["generation"] = 1
    return {**obj, "metadata": metadata}


def prepare_for_update(resource: Resource, new: KubeObject, old: KubeObject, *, subresource: str | None) -> KubeObject:
    """Return the object to store: fields that the client may change from `new`, all others from `old`.

    Raises 409 if `new` has another resourceVersion or uid than `old`.
    """
    name = old["metadata"]["name"]
    metadata = {key: value for key, value in new["metadata"].items() if key not in _DROPPED_FIELDS}
    _check_identity(resource, metadata, old)
    for field in (*_SERVER_FIELDS, "resourceVersion", "name", "namespace", "generateName"):
        metadata.pop(field, None)
        if field in old["metadata"]:
            metadata[field] = old["metadata"][field]
    if "deletionTimestamp" in metadata:
        added = [name for name in metadata.get("finalizers") or () if name not in _finalizers(old)]
        if added:
            text = "no new finalizers can be added if the object is being deleted, found new finalizers "
            cause = Cause("metadata.finalizers", "FieldValueForbidden", f"Forbidden: {text}{added}")
            raise status_errors.invalid(resource, name, [cause])
    return _restrict_to_subresource(resource, {**new, "metadata": metadata}, old, subresource)


def increment_generation(resource: Resource, new: KubeObject, old: KubeObject | None) -> KubeObject:
    """Return the object with an incremented generation if its spec differs from that of `old`, after defaulting."""
    if old is None or not has_generation(resource) or _content(resource, new) == _content(resource, old):
        return new
    generation = int(old["metadata"].get("generation") or 0) + 1
    return {**new, "metadata": {**new["metadata"], "generation": generation}}


def metadata_causes(resource: Resource, obj: KubeObject) -> Iterator[Cause]:
    """Yield the invalid fields of an object's metadata."""
    metadata = obj["metadata"]
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if prefix and (problem := name_validation.prefix_problem(resource, prefix)):
        yield Cause("metadata.generateName", "FieldValueInvalid", f'Invalid value: "{prefix}": {problem}')
    if not name:
        yield Cause("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")
    elif problem := name_validation.name_problem(resource, name):
        yield Cause("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {problem}')
    if (
        sum(len(key.encode()) + len(value.encode()) for key, value in (metadata.get("annotations") or {}).items())
        > _MAX_ANNOTATION_BYTES
    ):
        text = f"Too long: may not be more than {_MAX_ANNOTATION_BYTES} bytes"
        yield Cause("metadata.annotations", "FieldValueTooLong", text)
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            path = f"metadata.{field}"
            if problem := name_validation.label_key_problem(key.lower() if field == "annotations" else key):
                yield Cause(path, "FieldValueInvalid", f'Invalid value: "{key}": {problem}')
            if field == "labels" and (problem := name_validation.label_value_problem(value)):
                yield Cause(path, "FieldValueInvalid", f'Invalid value: "{value}": {problem}')
    for finalizer in metadata.get("finalizers") or ():
        if problem := name_validation.label_key_problem(finalizer):
            text = f'Invalid value: "{finalizer}": {problem}'
            yield Cause("metadata.finalizers", "FieldValueInvalid", text)
    yield from _owner_causes(metadata.get("ownerReferences") or [])


def has_generation(resource: Resource) -> bool:
    """Return whether a real server sets ``metadata.generation`` for this kind."""
    return is_custom(resource) or resource in {JOBS, PODS}


def can_be_removed(obj: KubeObject) -> bool:
    """Return whether a deleted object can be removed (``rest.ShouldDeleteDuringUpdate``)."""
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
        and not (obj.get("spec") or {}).get("finalizers")
    )


def _owner_causes(references: list[KubeObject]) -> Iterator[Cause]:
    if sum(1 for reference in references if reference.get("controller")) > 1:
        text = "Invalid value: Only one reference can have Controller set to true"
        yield Cause("metadata.ownerReferences", "FieldValueInvalid", text)
    for index, reference in enumerate(references):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(field):
                path = f"metadata.ownerReferences[{index}].{field}"
                yield Cause(path, "FieldValueRequired", "Required value: must not be empty")


def _check_identity(resource: Resource, metadata: KubeObject, old: KubeObject) -> None:
    current = old["metadata"]
    name = current["name"]
    if metadata.get("name", name) != name:
        sent = metadata["name"]
        raise status_errors.bad_request(f"the name of the object ({sent}) does not match the name on the URL ({name})")
    if metadata.get("namespace", current.get("namespace")) != current.get("namespace"):
        raise status_errors.bad_request("the namespace of the object does not match the namespace on the URL")
    if metadata.get("uid") and metadata["uid"] != current["uid"]:
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {current['uid']}"
        raise status_errors.conflict(resource, name, why)
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if metadata.get(field) is not None and field not in current:
            text = f"Invalid value: {metadata[field]!r}: field is immutable"
            raise status_errors.invalid(resource, name, [Cause(f"metadata.{field}", "FieldValueInvalid", text)])
    version = metadata.get("resourceVersion")
    if version and version != current["resourceVersion"]:
        raise status_errors.modified(resource, name)
    if not version and is_custom(resource):
        text = "Invalid value: 0: must be specified for an update"
        raise status_errors.invalid(resource, name, [Cause("metadata.resourceVersion", "FieldValueInvalid", text)])


def _restrict_to_subresource(
    resource: Resource, new: KubeObject, old: KubeObject, subresource: str | None
) -> KubeObject:
    """Ignore the status in updates of the object, and all other fields in updates of a subresource."""
    if subresource is None:
        return _with_status(new, old) if resource.status else new
    if subresource == "finalize":
        spec = {**(old.get("spec") or {}), "finalizers": (new.get("spec") or {}).get("finalizers") or []}
        return {**old, "spec": spec}
    merged = _with_status(old, new)
    return merged if is_custom(resource) else {**merged, "metadata": new["metadata"]}


def _with_status(obj: KubeObject, other: KubeObject) -> KubeObject:
    merged = {key: value for key, value in obj.items() if key != "status"}
    return merged | {"status": other["status"]} if "status" in other else merged


def _content(resource: Resource, obj: KubeObject) -> KubeObject:
    excluded = {"metadata", "status"} if resource.status else {"metadata"}
    return {key: value for key, value in obj.items() if key not in excluded}


def _finalizers(obj: KubeObject) -> list[str]:
    return list(obj["metadata"].get("finalizers") or ())
