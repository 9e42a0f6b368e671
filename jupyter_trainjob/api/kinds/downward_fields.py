"""Pod fields that containers may read through variables and volumes (``validateObjectFieldSelector``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from jupyter_trainjob.api import name_validation
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError

ENV_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_VOLUME_FIELDS: Final = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_CONVERTIBLE: Final = frozenset(
    {*ENV_FIELDS, *_VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "spec.hostNetwork", "status.phase"}
    | {"status.nominatedNodeName"}
)
"""Pod fields that the downward API supports (``AddFieldLabelConversionsForPod`` and the downward API's own)."""
_SUBSCRIPT: Final = re.compile(r"(.*)\['(.*)'\]", re.DOTALL)


def validate_field_ref(reference: KubeObject, path: str, supported: tuple[str, ...]) -> Iterator[FieldError]:
    """Yield the errors in a ``fieldRef``."""
    field = str(reference.get("fieldPath") or "")
    if not field:
        yield FieldError(f"{path}.fieldPath", schema.REQUIRED, "Required value")
        return
    subscript = _SUBSCRIPT.fullmatch(field)
    if subscript is not None:
        yield from _check_subscript(subscript[1], subscript[2], path)
    elif field not in _CONVERTIBLE:
        message = f"error converting fieldPath: field label not supported: {field}"
        yield FieldError(f"{path}.fieldPath", schema.INVALID, f'Invalid value: "{field}": {message}')
    elif field not in supported:
        choices = ", ".join(f'"{choice}"' for choice in supported)
        message = f'Unsupported value: "{field}": supported values: {choices}'
        yield FieldError(f"{path}.fieldPath", schema.UNSUPPORTED, message)


def validate_volume(volume: KubeObject, path: str) -> Iterator[FieldError]:
    """Yield the errors in the fields of a downward API volume."""
    yield from _check_items((volume.get("downwardAPI") or {}).get("items"), f"{path}.downwardAPI")
    for index, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
        yield from _check_items(
            (source.get("downwardAPI") or {}).get("items"), f"{path}.projected.sources[{index}].downwardAPI"
        )


def _check_items(items: list[KubeObject] | None, path: str) -> Iterator[FieldError]:
    for item in items or ():
        if item.get("fieldRef") is not None:
            yield from validate_field_ref(item["fieldRef"], f"{path}.fieldRef", _VOLUME_FIELDS)


def _check_subscript(field: str, key: str, path: str) -> Iterator[FieldError]:
    if field not in {"metadata.annotations", "metadata.labels"}:
        yield FieldError(path, schema.INVALID, f'Invalid value: "{field}": does not support subscript')
        return
    problem = name_validation.label_key_problem(key.lower() if field == "metadata.annotations" else key)
    if problem:
        yield FieldError(path, schema.INVALID, f'Invalid value: "{key}": {problem}')
