"""Gang scheduling rules for a PodGroup."""

from __future__ import annotations

import pytest

from jupyter_trainjob.cluster.scheduler import gang
from jupyter_trainjob.cluster.scheduler.pod_cache import GroupCounts
from tests.unit.cluster.pods import group


@pytest.mark.parametrize(
    ("counts", "needed"),
    [
        pytest.param(GroupCounts(4, 0, 0), 4, id="no pod has a node"),
        pytest.param(GroupCounts(4, 3, 0), 1, id="one pod was replaced"),
        pytest.param(GroupCounts(6, 4, 0), 0, id="pods beyond minMember are not needed"),
        pytest.param(GroupCounts(9, 6, 0), 0, id="more than enough have a node"),
    ],
)
def test_pods_needed(counts: GroupCounts, needed: int) -> None:
    assert gang.pods_needed(group(least=4), counts) == needed


@pytest.mark.parametrize(
    ("counts", "failure"),
    [
        pytest.param(
            GroupCounts(1, 0, 0),
            "pre-filter pod p cannot find enough sibling pods, current pods number: 1, minMember of group: 2",
            id="pods are missing",
        ),
        pytest.param(
            GroupCounts(2, 0, 1),
            "pre-filter pod p cannot proceed due to gated pods in the same PodGroup",
            id="pods are gated",
        ),
        pytest.param(GroupCounts(3, 0, 1), "", id="enough pods are not gated"),
    ],
)
def test_incomplete_group_fails_prefilter(counts: GroupCounts, failure: str) -> None:
    assert gang.prefilter_failure(group(least=2), counts, "p") == failure


@pytest.mark.parametrize(
    ("waited", "reserving", "duration", "remaining"),
    [
        pytest.param(0, True, 10, 10, id="reserves from the start"),
        pytest.param(9, True, 10, 1, id="until its timeout"),
        pytest.param(10, False, 10, 10, id="then backs off for as long"),
        pytest.param(19, False, 10, 1, id="until the next attempt"),
        pytest.param(20, True, 20, 20, id="the second attempt is twice as long"),
        pytest.param(45, False, 20, 5, id="the back-off is not longer"),
        pytest.param(50, True, 40, 40, id="the third attempt doubles again"),
        pytest.param(1_000_000, True, 640, 380, id="attempts have a maximum"),
        pytest.param(-5, True, 10, 10, id="negative waiting time counts as zero"),
    ],
)
def test_gang_alternates_between_reserving_and_backing_off(
    waited: float, duration: float, remaining: float, *, reserving: bool
) -> None:
    assert gang.current_attempt(group(timeout=10), waited) == (duration, reserving, remaining)


@pytest.mark.parametrize("timeout", [None, 0, -1])
def test_default_timeout_is_that_of_coscheduling(timeout: int | None) -> None:
    assert gang.current_attempt(group(timeout=timeout), 0).duration == 60


def test_timeout_message_is_that_of_coscheduling() -> None:
    message = "rejected due to timeout after waiting {} at plugin Coscheduling"
    assert gang.timeout_message(gang.current_attempt(group(timeout=60), 61)) == message.format("1m0s")
    assert gang.timeout_message(gang.current_attempt(group(timeout=7), 8)) == message.format("7s")
