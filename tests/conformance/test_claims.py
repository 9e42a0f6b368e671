"""PersistentVolumeClaims in the API: defaults, protection, validation, and kubectl's columns."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.kinds.claims import PROTECTION
from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS, KubeObject
from jupyter_trainjob.kube.client import MERGE_PATCH

from .server import Answer, Server

GOOD: KubeObject = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def created(server: Server, **spec: Any) -> Answer:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {**GOOD, **spec},
    }
    return server.send("POST", server.path(PERSISTENTVOLUMECLAIMS), claim)


def patched(server: Server, fields: KubeObject, part: str = "") -> Answer:
    path = server.path(PERSISTENTVOLUMECLAIMS, "data") + (f"/{part}" if part else "")
    return server.send("PATCH", path, fields, content_type=MERGE_PATCH)


def test_claim_is_created_pending_and_protected(server: Server) -> None:
    stored = created(server).body
    assert stored["spec"]["volumeMode"] == "Filesystem"
    assert stored["metadata"]["finalizers"] == [PROTECTION]
    assert stored["status"] == {"phase": "Pending"}


REFUSED = {
    "no access mode": ({"accessModes": []}, "spec.accessModes: Required value: at least 1 access mode is required"),
    "an unknown access mode": (
        {"accessModes": ["Sometimes"]},
        (
            'spec.accessModes: Unsupported value: "Sometimes": supported values: "ReadOnlyMany", "ReadWriteMany", '
            '"ReadWriteOnce", "ReadWriteOncePod"'
        ),
    ),
    "a mode for one pod beside others": (
        {"accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]},
        "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
    ),
    "no size": ({"resources": {}}, "spec.resources[storage]: Required value"),
    "a size of zero": (
        {"resources": {"requests": {"storage": "0"}}},
        'spec.resources[storage]: Invalid value: "0": must be greater than zero',
    ),
    "an unknown volume mode": (
        {"volumeMode": "Odd"},
        'spec.volumeMode: Unsupported value: "Odd": supported values: "Block", "Filesystem"',
    ),
}


@pytest.mark.parametrize(("spec", "message"), REFUSED.values(), ids=list(REFUSED))
def test_invalid_claims_are_rejected(server: Server, spec: KubeObject, message: str) -> None:
    answer = created(server, **spec)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert message in answer.body["message"]


def test_claim_is_immutable_except_for_its_first_volume(server: Server) -> None:
    created(server)
    assert patched(server, {"spec": {"accessModes": ["ReadWriteMany"]}}).status == 422
    assert patched(server, {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}).status == 422
    assert patched(server, {"spec": {"volumeName": "one"}}).status == 200
    answer = patched(server, {"spec": {"volumeName": "two"}})
    assert answer.status == 422
    assert "spec: Forbidden: spec is immutable after creation except" in answer.body["message"]


def test_protected_claim_is_not_removed(server: Server) -> None:
    created(server)
    path = server.path(PERSISTENTVOLUMECLAIMS, "data")
    assert server.send("DELETE", path).status == 200
    assert server.send("GET", path).body["metadata"]["deletionTimestamp"]
    assert patched(server, {"metadata": {"finalizers": None}}).status == 200
    assert server.send("GET", path).status == 404
