"""What the API server owns in every object: identity, version, generation, deletion; the same for all kinds.

`created` stamps a new object, `updated` merges what a client sent with what the server must keep, as apimachinery's
``rest.BeforeCreate`` and ``rest.BeforeUpdate`` do. Pure functions over dicts; kinds' own rules are in `strategy`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from jupyter_trainjob.api import crds, names, times
from jupyter_trainjob.api.resources import JOBS, PODS, Object, Resource
from jupyter_trainjob.cluster.apiserver import status
from jupyter_trainjob.cluster.apiserver.status import Cause

_SERVERS_OWN: Final = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_NOT_KEPT: Final = ("managedFields", "selfLink")


def is_custom(resource: Resource) -> bool:
    """Return whether a real server has this kind from a CustomResourceDefinition: some rules differ."""
    return resource in crds.RESOURCES


def created(resource: Resource, obj: Object, *, namespace: str | None, now: datetime) -> Object:
    """Return a new object with its identity; 400 where the request contradicts itself."""
    metadata = dict(obj["metadata"])
    if metadata.get("resourceVersion"):
        raise status.bad_request("resourceVersion should not be set on objects to be created")
    for field in (*_SERVERS_OWN, *_NOT_KEPT, "resourceVersion"):
        metadata.pop(field, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = names.generated(metadata["generateName"])
    if namespace is None:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", namespace) != namespace:
        why = "the namespace of the provided object does not match the namespace sent on the request"
        raise status.bad_request(why)
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": times.timestamp(now)}
    if has_generation(resource):
        metadata["generation"] = 1
    return {**obj, "metadata": metadata}


def updated(resource: Resource, new: Object, old: Object, *, subresource: str | None) -> Object:
    """Return the object to store: what the client may change from `new`, everything else from `old`.

    409 where `new` was made from another version than `old`, or from another object of that name.
    """
    name = old["metadata"]["name"]
    metadata = {key: value for key, value in new["metadata"].items() if key not in _NOT_KEPT}
    _check_identity(resource, metadata, old)
    for field in (*_SERVERS_OWN, "resourceVersion", "name", "namespace", "generateName"):
        metadata.pop(field, None)
        if field in old["metadata"]:
            metadata[field] = old["metadata"][field]
    if "deletionTimestamp" in metadata:
        added = [each for each in metadata.get("finalizers") or () if each not in _finalizers(old)]
        if added:
            text = "no new finalizers can be added if the object is being deleted, found new finalizers "
            cause = Cause("metadata.finalizers", "FieldValueForbidden", f"Forbidden: {text}{added}")
            raise status.invalid(resource, name, [cause])
    return _isolated(resource, {**new, "metadata": metadata}, old, subresource)


def counted(resource: Resource, new: Object, old: Object | None) -> Object:
    """Return the object with the next generation if it wishes for something else than `old`, defaults included."""
    if old is None or not has_generation(resource) or _content(resource, new) == _content(resource, old):
        return new
    generation = int(old["metadata"].get("generation") or 0) + 1
    return {**new, "metadata": {**new["metadata"], "generation": generation}}


def causes(resource: Resource, obj: Object) -> Iterator[Cause]:
    """Yield what is wrong with the metadata of an object."""
    metadata = obj["metadata"]
    name = metadata.get("name")
    if not name:
        yield Cause("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")
    elif not isinstance(name, str):
        yield Cause("metadata.name", "FieldValueInvalid", f"Invalid value: {name!r}: must be a string")
    elif problem := names.name_problem(resource, name):
        yield Cause("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {problem}')
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            path = f"metadata.{field}"
            if problem := names.label_key_problem(key.lower() if field == "annotations" else key):
                yield Cause(path, "FieldValueInvalid", f'Invalid value: "{key}": {problem}')
            if not isinstance(value, str):
                yield Cause(path, "FieldValueTypeInvalid", f"Invalid value: {value!r}: must be a string")
            elif field == "labels" and (problem := names.label_value_problem(value)):
                yield Cause(path, "FieldValueInvalid", f'Invalid value: "{value}": {problem}')
    yield from _owner_causes(metadata.get("ownerReferences") or [])


def has_generation(resource: Resource) -> bool:
    """Return whether a real server counts changes of this kind's wish in ``metadata.generation``."""
    return is_custom(resource) or resource in {JOBS, PODS}


def is_finished_deleting(obj: Object) -> bool:
    """Return whether nothing holds a deleted object any more (``rest.ShouldDeleteDuringUpdate``)."""
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
        and not (obj.get("spec") or {}).get("finalizers")
    )


def _owner_causes(references: list[Object]) -> Iterator[Cause]:
    if sum(1 for each in references if each.get("controller")) > 1:
        text = "Invalid value: Only one reference can have Controller set to true"
        yield Cause("metadata.ownerReferences", "FieldValueInvalid", text)
    for index, reference in enumerate(references):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(field):
                path = f"metadata.ownerReferences[{index}].{field}"
                yield Cause(path, "FieldValueRequired", "Required value: must not be empty")


def _check_identity(resource: Resource, metadata: Object, old: Object) -> None:
    mine = old["metadata"]
    name = mine["name"]
    if metadata.get("name", name) != name:
        sent = metadata["name"]
        raise status.bad_request(f"the name of the object ({sent}) does not match the name on the URL ({name})")
    if metadata.get("namespace", mine.get("namespace")) != mine.get("namespace"):
        raise status.bad_request("the namespace of the object does not match the namespace on the URL")
    if metadata.get("uid") and metadata["uid"] != mine["uid"]:
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {mine['uid']}"
        raise status.conflict(resource, name, why)
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if metadata.get(field) is not None and field not in mine:
            text = f"Invalid value: {metadata[field]!r}: field is immutable"
            raise status.invalid(resource, name, [Cause(f"metadata.{field}", "FieldValueInvalid", text)])
    version = metadata.get("resourceVersion")
    if version and version != mine["resourceVersion"]:
        raise status.modified(resource, name)
    if not version and is_custom(resource):
        text = "Invalid value: 0: must be specified for an update"
        raise status.invalid(resource, name, [Cause("metadata.resourceVersion", "FieldValueInvalid", text)])


def _isolated(resource: Resource, new: Object, old: Object, subresource: str | None) -> Object:
    """Keep status out of updates of the object, and everything else out of updates of its status."""
    if subresource is None:
        return _with_status(new, old) if resource.status else new
    if subresource == "finalize":
        spec = {**(old.get("spec") or {}), "finalizers": (new.get("spec") or {}).get("finalizers") or []}
        return {**old, "spec": spec}
    kept = _with_status(old, new)
    return kept if is_custom(resource) else {**kept, "metadata": new["metadata"]}


def _with_status(obj: Object, other: Object) -> Object:
    merged = {key: value for key, value in obj.items() if key != "status"}
    return merged | {"status": other["status"]} if "status" in other else merged


def _content(resource: Resource, obj: Object) -> Object:
    apart = {"metadata", "status"} if resource.status else {"metadata"}
    return {key: value for key, value in obj.items() if key not in apart}


def _finalizers(obj: Object) -> list[str]:
    return list(obj["metadata"].get("finalizers") or ())
