"""Parsing of memory, CPUs and durations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jupyter_trainjob.client.spec import units
from jupyter_trainjob.errors import UsageError

MEMORY = {
    "in binary units": ("4Gi", "4Gi"),
    "in decimal units": ("500M", "500M"),
    "with a fraction": ("1.5Gi", "1.5Gi"),
    "a number counts bytes": (4 * 2**30, str(4 * 2**30)),
    "spaces around do not count": (" 4Gi ", "4Gi"),
    "nor before the unit": ("4 Gi", "4Gi"),
}


@pytest.mark.parametrize(("value", "amount"), MEMORY.values(), ids=MEMORY)
def test_memory(value: Any, amount: str) -> None:
    assert units.memory(value) == amount


BAD_MEMORY = {
    "a bare number would be bytes": ("4", "write 4Gi"),
    "GB is no unit": ("4GB", "write 4Gi"),
    "small letters are no units": ("512mb", "write 512Mi"),
    "m are thousandths of bytes": ("400m", "less than 1 MiB: write 400Mi"),
    "message are no amount": ("much", "write 4Gi"),
    "zero is not an amount": ("", "write 4Gi"),
    "a negative number is not an amount": ("-4Gi", "write 4Gi"),
}


@pytest.mark.parametrize(("value", "message"), BAD_MEMORY.values(), ids=BAD_MEMORY)
def test_ambiguous_memory_is_rejected(value: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        units.memory(value)
    assert message in str(raised.value).replace("is less than 1 MiB of memory", "less than 1 MiB")


CPUS = {"whole": ("4", "4"), "a fraction": (0.5, "500m"), "in thousandths": ("250m", "250m"), "a number": (2, "2")}


@pytest.mark.parametrize(("value", "amount"), CPUS.values(), ids=CPUS)
def test_cpus(value: Any, amount: str) -> None:
    assert units.cpus(value) == amount


@pytest.mark.parametrize("value", ["0", "-1", "many", "0.0001", True, ""])
def test_invalid_cpus_are_rejected(value: Any) -> None:
    with pytest.raises(UsageError, match="thousandths"):
        units.cpus(value)


DURATIONS = {
    "hours": ("2h", 7200),
    "hours and minutes": ("2h30m", 9000),
    "units in full": ("5 minutes", 300),
    "units in full, of several parts": ("1 Hour 30 minutes", 5400),
    "all units": ("1d1h1m1s", 90061),
    "with a space": ("2h 30m", 9000),
    "more minutes than an hour has": ("90m", 5400),
    "a number counts seconds": (90, 90),
    "fractions of a second are dropped": (1.9, 1),
    "a timedelta": (timedelta(hours=1), 3600),
}


@pytest.mark.parametrize(("value", "seconds"), DURATIONS.values(), ids=DURATIONS)
def test_duration_in_seconds(value: Any, seconds: int) -> None:
    assert units.duration(value) == seconds


BAD_DURATIONS = {
    "text without a unit": ("90", "90m or 90s"),
    "nothing": ("", "45m"),
    "no time at all": ("0s", "45m"),
    "units in the wrong order": ("30m2h", "45m"),
    "another way of writing": ("2:30", "45m"),
    "less than a second": (0.5, "at least one second"),
    "a truth value": (True, "45m"),
}


@pytest.mark.parametrize(("value", "message"), BAD_DURATIONS.values(), ids=BAD_DURATIONS)
def test_invalid_duration_is_rejected(value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        units.duration(value)


@pytest.mark.parametrize("seconds", [1, 59, 60, 5400, 9000, 86400, 90061])
def test_formatted_duration_is_parsed_back(seconds: int) -> None:
    assert units.duration(units.format_duration(seconds)) == seconds
