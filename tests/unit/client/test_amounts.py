from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jupyter_trainjob.client import amounts
from jupyter_trainjob.errors import UsageError

MEMORY = {
    "in binary units": ("4Gi", "4Gi"),
    "in decimal units": ("500M", "500M"),
    "with a fraction": ("1.5Gi", "1.5Gi"),
    "a number counts bytes": (4 * 2**30, str(4 * 2**30)),
    "spaces around do not count": (" 4Gi ", "4Gi"),
}


@pytest.mark.parametrize(("wish", "amount"), MEMORY.values(), ids=MEMORY)
def test_memory_is_what_kubernetes_takes(wish: Any, amount: str) -> None:
    assert amounts.memory(wish) == amount


BAD_MEMORY = {
    "a bare number would be bytes": ("4", "write 4Gi"),
    "GB is no unit": ("4GB", "write 4Gi"),
    "small letters are no units": ("512mb", "write 512Mi"),
    "m are thousandths of bytes": ("400m", "less than 1 MiB: write 400Mi"),
    "words are no amount": ("much", "write 4Gi"),
    "nothing is no amount": ("", "write 4Gi"),
    "less than nothing is no amount": ("-4Gi", "write 4Gi"),
}


@pytest.mark.parametrize(("wish", "words"), BAD_MEMORY.values(), ids=BAD_MEMORY)
def test_memory_that_may_mean_something_else_is_refused(wish: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        amounts.memory(wish)
    assert words in str(raised.value).replace("is less than 1 MiB of memory", "less than 1 MiB")


CPUS = {"whole": ("4", "4"), "a fraction": (0.5, "500m"), "in thousandths": ("250m", "250m"), "a number": (2, "2")}


@pytest.mark.parametrize(("wish", "amount"), CPUS.values(), ids=CPUS)
def test_cpus_are_what_kubernetes_takes(wish: Any, amount: str) -> None:
    assert amounts.cpus(wish) == amount


@pytest.mark.parametrize("wish", ["0", "-1", "many", "0.0001", True, ""])
def test_cpus_that_are_no_number_of_cpus_are_refused(wish: Any) -> None:
    with pytest.raises(UsageError, match="thousandths"):
        amounts.cpus(wish)


DURATIONS = {
    "hours": ("2h", 7200),
    "hours and minutes": ("2h30m", 9000),
    "all units": ("1d1h1m1s", 90061),
    "with a space": ("2h 30m", 9000),
    "more minutes than an hour has": ("90m", 5400),
    "a number counts seconds": (90, 90),
    "fractions of a second are dropped": (1.9, 1),
    "a timedelta": (timedelta(hours=1), 3600),
}


@pytest.mark.parametrize(("wish", "seconds"), DURATIONS.values(), ids=DURATIONS)
def test_a_duration_is_whole_seconds(wish: Any, seconds: int) -> None:
    assert amounts.duration(wish) == seconds


BAD_DURATIONS = {
    "text without a unit": ("90", "90m or 90s"),
    "nothing": ("", "45m"),
    "no time at all": ("0s", "45m"),
    "units in the wrong order": ("30m2h", "45m"),
    "another way of writing": ("2:30", "45m"),
    "less than a second": (0.5, "at least one second"),
    "a truth value": (True, "45m"),
}


@pytest.mark.parametrize(("wish", "words"), BAD_DURATIONS.values(), ids=BAD_DURATIONS)
def test_what_is_no_duration_is_refused(wish: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        amounts.duration(wish)


@pytest.mark.parametrize("seconds", [1, 59, 60, 5400, 9000, 86400, 90061])
def test_a_span_reads_back_as_the_duration(seconds: int) -> None:
    assert amounts.duration(amounts.span(seconds)) == seconds
