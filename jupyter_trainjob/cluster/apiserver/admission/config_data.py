"""Validate ConfigMaps and Secrets (``ValidateConfigMap``, ``ValidateSecret``)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Final

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.apiserver.status_errors import Cause

_KEY: Final = re.compile("[-._a-zA-Z0-9]+")
_KEY_RULE: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_MAX_KEY_LENGTH: Final = 253
_MAX_BYTES: Final = 1 << 20
_REDACTED: Final = "<secret contents redacted>"
_JSON_KEYS: Final = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
_REQUIRED: Final = {
    **{kind: (key,) for kind, key in _JSON_KEYS.items()},
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
"""Required keys by type of Secret."""
_SERVICE_ACCOUNT_ANNOTATION: Final = "kubernetes.io/service-account.name"


def config_map_causes(obj: KubeObject, old: KubeObject | None) -> Iterator[Cause]:
    """Yield the invalid fields of a ConfigMap."""
    if old is not None:
        yield from _immutable_causes(obj, old, ("data", "binaryData"))
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for field, values, other in (("data", data, binary), ("binaryData", binary, {})):
        for key in sorted(values):
            yield from _key_causes(f"{field}[{key}]", key)
            if key in other:
                text = f'Invalid value: "{key}": duplicate of key present in binaryData'
                yield Cause(f"{field}[{key}]", "FieldValueInvalid", text)
    size = sum(len(value.encode()) for value in data.values()) + sum(map(_decoded_size, binary.values()))
    if size > _MAX_BYTES:
        yield Cause("", "FieldValueTooLong", f"Too long: may not be more than {_MAX_BYTES} bytes")


def secret_causes(obj: KubeObject, old: KubeObject | None) -> Iterator[Cause]:
    """Yield the invalid fields of a Secret."""
    if old is not None:
        if obj.get("type") != old.get("type"):
            text = f'Invalid value: "{obj.get("type", "")}": field is immutable'
            yield Cause("type", "FieldValueInvalid", text)
        yield from _immutable_causes(obj, old, ("data",))
    data, kind = obj.get("data") or {}, obj.get("type", "")
    for key in sorted(data):
        yield from _key_causes(f"data[{key}]", key)
    if sum(map(_decoded_size, data.values())) > _MAX_BYTES:
        yield Cause("data", "FieldValueTooLong", f"Too long: may not be more than {_MAX_BYTES} bytes")
    for key in _REQUIRED.get(kind, ()):
        if key not in data:
            yield Cause(f"data[{key}]", "FieldValueRequired", "Required value")
    if kind in _JSON_KEYS and _JSON_KEYS[kind] in data and not _is_json(data[_JSON_KEYS[kind]]):
        text = f'Invalid value: "{_REDACTED}": it must be a JSON object'
        yield Cause(f"data[{_JSON_KEYS[kind]}]", "FieldValueInvalid", text)
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        for key in ("username", "password"):
            yield Cause(f"data[{key}]", "FieldValueRequired", "Required value")
    if kind == "kubernetes.io/service-account-token" and not (obj["metadata"].get("annotations") or {}).get(
        _SERVICE_ACCOUNT_ANNOTATION
    ):
        yield Cause(f"metadata.annotations[{_SERVICE_ACCOUNT_ANNOTATION}]", "FieldValueRequired", "Required value")


def _immutable_causes(obj: KubeObject, old: KubeObject, fields: tuple[str, ...]) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    for field in (*fields, "immutable"):
        if obj.get(field) != old.get(field):
            yield Cause(field, "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set")


def _key_causes(path: str, key: str) -> Iterator[Cause]:
    if len(key) > _MAX_KEY_LENGTH:
        text = f'Invalid value: "{key}": must be no more than {_MAX_KEY_LENGTH} characters'
        yield Cause(path, "FieldValueInvalid", text)
    if _KEY.fullmatch(key) is None:
        yield Cause(path, "FieldValueInvalid", f'Invalid value: "{key}": {_KEY_RULE}')
    elif key == "." or key.startswith(".."):
        text = "must not be '.'" if key == "." else "must not be '..'" if key == ".." else "must not start with '..'"
        yield Cause(path, "FieldValueInvalid", f'Invalid value: "{key}": {text}')


def _decoded_size(text: str | None) -> int:
    return len(base64.b64decode(text or ""))


def _is_json(text: str | None) -> bool:
    try:
        return isinstance(json.loads(base64.b64decode(text or "")), dict)
    except ValueError:
        return False
