from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from jupyter_trainjob.api import times


def test_times_are_formatted_in_utc_and_parsed_back() -> None:
    moment = datetime(2026, 1, 2, 1, 30, tzinfo=timezone(timedelta(hours=1)))
    assert times.timestamp(moment) == "2026-01-02T00:30:00Z"
    assert times.timestamp(moment.timestamp()) == "2026-01-02T00:30:00Z"
    assert times.parse_time("2026-01-02T00:30:00Z") == moment
    assert times.parse_time(None) is None


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.500000000Z", 1.5),
        ("1970-01-01T01:00:01.25+01:00", 1.25),
        ("no time", 0.0),
    ],
)
def test_timestamps_are_parsed_with_any_fraction_and_zone(stamp: str, expected: float) -> None:
    assert times.unix_seconds(stamp) == expected


def test_log_is_requested_again_from_the_whole_second() -> None:
    assert times.whole_second("2026-01-02T03:04:05.999999999Z") == "2026-01-02T03:04:05Z"
