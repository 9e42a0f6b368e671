"""Bodies for the status server, read as Go reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_trainjob.controller_process.trainer_status import InvalidPayload, parse_request

NONE = {"lastUpdatedTime": None}


def parse(trainer_status: Any) -> Any:
    return parse_request(json.dumps({"trainerStatus": trainer_status}).encode())["trainerStatus"]


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        (b"{}", {}),
        (b"null", {}),
        (b' {"trainerStatus": null} trailing', {}),
        (b'{"TRAINERSTATUS": {}}', {"trainerStatus": NONE}),
        (b'{"trainerStatus": {"x": 1}, "y": "\xff"}', {"trainerStatus": NONE}),
    ],
)
def test_bodies(body: bytes, request_: Any) -> None:
    assert parse_request(body) == request_


def test_values() -> None:
    assert parse({"progressPercentage": 0, "estimatedRemainingSeconds": None}) == {**NONE, "progressPercentage": 0}
    assert parse({"metrics": []}) == parse({"metrics": None}) == NONE
    metrics = [{"name": "loss", "value": "1"}, {"name": "a"}, None]
    assert parse({"metrics": metrics})["metrics"] == [
        {"name": "loss", "value": "1"},
        {"name": "a", "value": ""},
        {"name": "", "value": ""},
    ]
    assert parse({"metrics": [{"name": "\ud800", "value": "\U0001f600"}]})["metrics"] == [
        {"name": "\ufffd", "value": "\U0001f600"}
    ]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2026-05-04T03:02:01Z", "2026-05-04T03:02:01Z"),
        ("2026-05-04T03:02:01.987654321Z", "2026-05-04T03:02:01Z"),
        ("2026-05-04T03:02:01+02:00", "2026-05-04T01:02:01Z"),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_times_are_written_in_utc(given: str, stored: str | None) -> None:
    assert parse({"lastUpdatedTime": given}) == {"lastUpdatedTime": stored}


@pytest.mark.parametrize(
    "trainer_status",
    [
        "x",
        1,
        [],
        {"progressPercentage": True},
        {"progressPercentage": 1.0},
        {"progressPercentage": 1 << 31},
        {"metrics": {}},
        {"metrics": ["loss"]},
        {"metrics": [{"name": 1}]},
        {"lastUpdatedTime": 1},
        {"lastUpdatedTime": ""},
        {"lastUpdatedTime": "2026-05-04"},
        {"lastUpdatedTime": "2026-05-04T03:02:01"},
        {"lastUpdatedTime": "2026-13-04T03:02:01Z"},
        {"lastUpdatedTime": "0001-01-01T00:00:00+23:00"},
    ],
)
def test_wrong_types_are_refused(trainer_status: Any) -> None:
    with pytest.raises(InvalidPayload):
        parse(trainer_status)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"{'a': 1}", b'{"a": NaN}', b"[" * 60_000, b"\xff"])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidPayload):
        parse_request(body)
