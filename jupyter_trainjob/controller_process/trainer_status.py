"""The body of a request to the status server, and what is written to ``status.trainerStatus`` for it.

Fields are read as Go's ``encoding/json`` reads them into ``UpdateTrainJobStatusRequest``: unknown fields are ignored,
names match in any case, and text after the JSON value is ignored. The API server checks the values. Times
have to be as in RFC 3339; of Go's exceptions from it only the zero time is known.

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/statusserver/server.go
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any, Final, NoReturn

from jupyter_trainjob.api.resources import TRAINJOBS, KubeObject
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request

FIELD_MANAGER: Final = "trainer-status"
_INT32: Final = range(-(1 << 31), 1 << 31)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can express and UTF-8 cannot."""
_ZERO_TIME: Final = datetime(1, 1, 1, tzinfo=timezone.utc)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


class InvalidPayload(ValueError):
    """The body is not an UpdateTrainJobStatusRequest."""


def parse_request(body: bytes) -> KubeObject:
    """Return the request in a body, without unknown fields; empty if it has no ``trainerStatus``."""

    def refuse(constant: str) -> NoReturn:
        raise InvalidPayload(f"{constant} is no JSON")

    try:
        text = body.decode(errors="replace").lstrip(" \t\r\n")
        request, _ = json.JSONDecoder(parse_constant=refuse).raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload("The body is no JSON.") from error
    status = _field(_object(request), "trainerStatus")
    return {} if status is None else {"trainerStatus": _trainer_status(_object(status))}


def apply_request(client: Client, request: KubeObject, *, namespace: str, name: str) -> None:
    """Write the status of a request, with server-side apply: fields that an earlier request wrote are removed.

    Raises the API server's error.
    """
    body = {"apiVersion": TRAINJOBS.api_version, "kind": TRAINJOBS.kind, "metadata": {"name": name}, "status": request}
    apply = Request(
        "PATCH",
        TRAINJOBS.path(namespace, name, "status"),
        {"fieldManager": FIELD_MANAGER, "force": "true"},
        json.dumps(body).encode(),
        content_type="application/apply-patch+yaml",
    )
    client.raw(apply).read()


def _trainer_status(given: KubeObject) -> KubeObject:
    status: KubeObject = {
        name: _int32(value)
        for name in ("progressPercentage", "estimatedRemainingSeconds")
        if (value := _field(given, name)) is not None
    }
    metrics = _field(given, "metrics")
    if metrics is not None and not isinstance(metrics, list):
        raise InvalidPayload("metrics is no list")
    if metrics:
        status["metrics"] = [_metric(_object(metric)) for metric in metrics]
    # Null if there is none, which the API server refuses.
    return {**status, "lastUpdatedTime": _time(_field(given, "lastUpdatedTime"))}


def _metric(given: KubeObject) -> KubeObject:
    metric = {name: _field(given, name) for name in ("name", "value")}
    if any(not isinstance(value, str | None) for value in metric.values()):
        raise InvalidPayload("name and value of a metric are strings")
    return {name: _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value or "") for name, value in metric.items()}


def _object(value: Any) -> KubeObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidPayload("an object is expected")
    return value


def _field(obj: KubeObject, name: str) -> Any:
    return next((value for key, value in reversed(obj.items()) if key.lower() == name.lower()), None)


def _int32(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value not in _INT32:
        raise InvalidPayload("a whole number of 32 bits is expected")
    return value


def _time(value: Any) -> str | None:
    """Return a time in UTC, without fractions of a second, as ``metav1.Time`` is written."""
    if value is None:
        return None
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidPayload("lastUpdatedTime is not a time as in RFC 3339")
    seconds, _, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{seconds}{'+00:00' if zone == 'Z' else zone}").astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise InvalidPayload("lastUpdatedTime is no time") from error
    return None if moment == _ZERO_TIME else f"{moment.replace(tzinfo=None).isoformat()}Z"
