"""Protobuf bodies: those of kubectl's commands are decoded like JSON, others are rejected."""

from __future__ import annotations

import base64

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.apiserver.requests import protobuf

# As kubectl 1.37 sent them.
METADATA = b'\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00'
END = b'\x1a\x00"\x00'
NAMESPACE = b"k8s\x00\n\x0f\n\x02v1\x12\tNamespace\x12\x1a\n\x12\n\x02n1" + METADATA + b"\x12\x00\x1a\x02\n\x00" + END
CONFIGMAP = b"k8s\x00\n\x0f\n\x02v1\x12\tConfigMap\x12\x1c\n\x12\n\x02c1" + METADATA + b"\x12\x06\n\x01a\x12\x01b" + END
SECRET = (
    b"k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12\x1e\n\x12\n\x02s1" + METADATA + b"\x12\x06\n\x01a\x12\x01b\x1a\x00" + END
)
PRIORITY = (
    b"k8s\x00\n%\n\x14scheduling.k8s.io/v1\x12\rPriorityClass"
    b'\x120\n\x12\n\x02p1\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00\x10\x03\x18\x00"\x00*\x14PreemptLowerPriority\x1a\x00"\x00'
)


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value & (1 << 64) - 1)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def body(version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, version.encode()) + field(2, kind.encode())) + field(2, raw)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n1"}}),
        (CONFIGMAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c1"}, "data": {"a": "b"}}),
        (
            SECRET,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "s1"},
                "data": {"a": base64.b64encode(b"b").decode()},
            },
        ),
        (
            PRIORITY,
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": "p1"},
                "value": 3,
                "preemptionPolicy": "PreemptLowerPriority",
            },
        ),
    ],
    ids=["a namespace", "a config map", "a secret", "a priority class"],
)
def test_bodies_of_kubectl_are_decoded(sent: bytes, meant: KubeObject) -> None:
    assert protobuf.decode(sent) == meant


def test_zero_values_and_negative_numbers() -> None:
    spec = field(1, 0) + field(7, 0) + field(6, field(2, field(3, b"Never") + field(5, -1)))
    read = protobuf.decode(body("batch/v1", "Job", field(2, spec)))
    template = {"spec": {"restartPolicy": "Never", "activeDeadlineSeconds": -1}}
    assert read["spec"] == {"parallelism": 0, "backoffLimit": 0, "template": template}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"{}", "does not begin"),
        (CONFIGMAP[:-6], "truncated"),
        (body("v1", "Service", b""), "for kind Service"),
        (body("v1", "Pod", field(2, field(18, b"\x0a\x00"))), "field 18 of PodSpec"),
        (body("v1", "Pod", b"\x0d\x00\x00\x00\x00"), "wire type 5"),
    ],
    ids=["JSON", "a truncated body", "another kind", "an unsupported field", "another wire type"],
)
def test_unsupported_bodies_are_rejected(sent: bytes, why: str) -> None:
    with pytest.raises(protobuf.UnsupportedBody, match=why):
        protobuf.decode(sent)


def test_damaged_bodies_are_rejected_or_decoded() -> None:
    rejected = 0
    for at in range(4, len(SECRET)):
        damaged = SECRET[:at] + bytes([SECRET[at] ^ 0xFF]) + SECRET[at + 1 :]
        try:
            assert isinstance(protobuf.decode(damaged), dict)
        except protobuf.UnsupportedBody:
            rejected += 1
    assert rejected > 0
