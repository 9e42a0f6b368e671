"""Decode Kubernetes protobuf bodies of ``kubectl create namespace|configmap|secret|job`` and ``kubectl run``.

Called by `request_bodies`; returns the object in its JSON form. These commands send protobuf without negotiation but
accept JSON responses. So this module only decodes, and only the fields that they write; numbers and types are those of
the ``generated.proto`` of each API group. An unknown field is an error. Other clients, including ``kubectl apply`` and
``create --filename``, send JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"

# Field number: (name, type). ``[]`` is repeated, ``{}`` a map from text to the type, ``*`` present even when zero.
_MESSAGES: Final[dict[str, dict[int, tuple[str, str]]]] = {
    "Unknown": {1: ("type", "TypeMeta"), 2: ("raw", "bytes"), 3: ("encoding", "text"), 4: ("mime", "text")},
    "TypeMeta": {1: ("apiVersion", "text"), 2: ("kind", "text")},
    "ObjectMeta": {
        1: ("name", "text"),
        2: ("generateName", "text"),
        3: ("namespace", "text"),
        7: ("generation", "int"),
        11: ("labels", "{}text"),
        12: ("annotations", "{}text"),
        13: ("ownerReferences", "[]OwnerReference"),
        14: ("finalizers", "[]text"),
    },
    "OwnerReference": {
        1: ("kind", "text"),
        3: ("name", "text"),
        4: ("uid", "text"),
        5: ("apiVersion", "text"),
        6: ("controller", "bool"),
        7: ("blockOwnerDeletion", "bool"),
    },
    "Namespace": {1: ("metadata", "ObjectMeta"), 2: ("spec", "NamespaceSpec"), 3: ("status", "ignored")},
    "NamespaceSpec": {1: ("finalizers", "[]text")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "{}text"),
        3: ("binaryData", "{}base64"),
        4: ("immutable", "*bool"),
    },
    "Secret": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "{}base64"),
        3: ("type", "text"),
        4: ("stringData", "{}text"),
        5: ("immutable", "*bool"),
    },
    "PriorityClass": {
        1: ("metadata", "ObjectMeta"),
        2: ("value", "*int"),
        3: ("globalDefault", "bool"),
        4: ("description", "text"),
        5: ("preemptionPolicy", "text"),
    },
    "Job": {1: ("metadata", "ObjectMeta"), 2: ("spec", "JobSpec"), 3: ("status", "ignored")},
    "JobSpec": {
        1: ("parallelism", "*int"),
        2: ("completions", "*int"),
        3: ("activeDeadlineSeconds", "*int"),
        6: ("template", "PodTemplateSpec"),
        7: ("backoffLimit", "*int"),
        8: ("ttlSecondsAfterFinished", "*int"),
        9: ("completionMode", "text"),
        10: ("suspend", "*bool"),
    },
    "PodTemplateSpec": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec")},
    "Pod": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec"), 3: ("status", "ignored")},
    "PodSpec": {
        2: ("containers", "[]Container"),
        3: ("restartPolicy", "text"),
        4: ("terminationGracePeriodSeconds", "*int"),
        5: ("activeDeadlineSeconds", "*int"),
        6: ("dnsPolicy", "text"),
        7: ("nodeSelector", "{}text"),
        10: ("nodeName", "text"),
        19: ("schedulerName", "text"),
        20: ("initContainers", "[]Container"),
        24: ("priorityClassName", "text"),
    },
    "Container": {
        1: ("name", "text"),
        2: ("image", "text"),
        3: ("command", "[]text"),
        4: ("args", "[]text"),
        5: ("workingDir", "text"),
        7: ("env", "[]EnvVar"),
        13: ("terminationMessagePath", "text"),
        14: ("imagePullPolicy", "text"),
        16: ("stdin", "bool"),
        17: ("stdinOnce", "bool"),
        18: ("tty", "bool"),
        20: ("terminationMessagePolicy", "text"),
    },
    "EnvVar": {1: ("name", "text"), 2: ("value", "text")},
}
_KINDS: Final = ("Namespace", "ConfigMap", "Secret", "PriorityClass", "Job", "Pod")


class UnsupportedBody(ValueError):
    """The body is not protobuf, or has unsupported content."""


def decode(body: bytes) -> KubeObject:
    """Return the object in a body; raises `UnsupportedBody`."""
    if not body.startswith(_MAGIC):
        raise UnsupportedBody("it does not begin with Kubernetes' protobuf prefix")
    try:
        envelope = _decode_message("Unknown", body[len(_MAGIC) :])
        head = {"apiVersion": "", "kind": "", **envelope.get("type", {})}
        if head["kind"] not in _KINDS:
            raise UnsupportedBody(f"protobuf is not supported for kind {head['kind']}")
        return {**head, **_decode_message(head["kind"], envelope.get("raw", b""))}
    except (IndexError, UnicodeDecodeError) as error:
        raise UnsupportedBody("it is truncated or damaged") from error


def _decode_message(name: str, data: bytes) -> KubeObject:
    field_types = _MESSAGES[name]
    message: KubeObject = {}
    for number, value in _decode_fields(data):
        if number not in field_types:
            if value:
                raise UnsupportedBody(f"field {number} of {name} is not supported in protobuf")
            continue
        field, kind = field_types[number]
        if kind.startswith("[]"):
            message.setdefault(field, []).append(_decode_value(kind[2:], value))
        elif kind.startswith("{}"):
            pair = dict(_decode_fields(value))
            message.setdefault(field, {})[pair.get(1, b"").decode()] = _decode_value(kind[2:], pair.get(2, b""))
        elif kind != "ignored":
            decoded = _decode_value(kind.lstrip("*"), value)
            if decoded or kind.startswith("*"):
                message[field] = decoded
    return message


def _decode_value(kind: str, value: Any) -> Any:
    match kind:
        case "text":
            return value.decode()
        case "bytes":
            return value
        case "base64":
            return base64.b64encode(value).decode()
        case "int":
            return value - (1 << 64) if value >> 63 else value
        case "bool":
            return bool(value)
    return _decode_message(kind, value)


def _decode_fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field: an unsigned integer, or bytes."""
    at = 0
    while at < len(data):
        tag, at = _decode_varint(data, at)
        match tag & 7:
            case 0:  # VARINT
                value, at = _decode_varint(data, at)
                yield tag >> 3, value
            case 2:  # LEN
                length, at = _decode_varint(data, at)
                if at + length > len(data):
                    raise IndexError
                yield tag >> 3, data[at : at + length]
                at += length
            case other:
                raise UnsupportedBody(f"it has a field of the unsupported wire type {other}")


def _decode_varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & (1 << 64) - 1, at
        shift += 7
