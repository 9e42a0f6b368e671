"""What a PodGroup asks of the scheduler."""

from __future__ import annotations

import pytest

from jupyter_trainjob.cluster import gang
from jupyter_trainjob.cluster.podcache import Counts

from .pods import group


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        pytest.param(Counts(4, 0, 0), 4, id="none has a node"),
        pytest.param(Counts(4, 3, 0), 1, id="a pod that is made again joins the others"),
        pytest.param(Counts(6, 4, 0), 0, id="what is more than enough comes by itself"),
        pytest.param(Counts(9, 6, 0), 0, id="more than enough have a node"),
    ],
)
def test_so_many_pods_are_missing(counts: Counts, missing: int) -> None:
    assert gang.missing(group(least=4), counts) == missing


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        pytest.param(
            Counts(1, 0, 0),
            "pre-filter pod p cannot find enough sibling pods, current pods number: 1, minMember of group: 2",
            id="pods that are not made yet are waited for",
        ),
        pytest.param(
            Counts(2, 0, 1),
            "pre-filter pod p cannot proceed due to gated pods in the same PodGroup",
            id="and gated ones",
        ),
        pytest.param(Counts(3, 0, 1), "", id="enough are enough"),
    ],
)
def test_an_incomplete_group_is_not_tried(counts: Counts, why: str) -> None:
    assert gang.refusal(group(least=2), counts, "p") == why


@pytest.mark.parametrize(
    ("waited", "holding", "length", "left"),
    [
        pytest.param(0, True, 10, 10, id="it holds room from the start"),
        pytest.param(9, True, 10, 1, id="for as long as its timeout"),
        pytest.param(10, False, 10, 10, id="then it steps back for as long"),
        pytest.param(19, False, 10, 1, id="until the next try"),
        pytest.param(20, True, 20, 20, id="which is twice as long"),
        pytest.param(45, False, 20, 5, id="while it steps back no longer"),
        pytest.param(50, True, 40, 40, id="and doubles again"),
        pytest.param(1_000_000, True, 640, 380, id="but not for ever"),
        pytest.param(-5, True, 10, 10, id="a clock that was set back is the beginning"),
    ],
)
def test_a_gang_holds_room_and_steps_back(waited: float, length: float, left: float, *, holding: bool) -> None:
    assert gang.attempt(group(timeout=10), waited) == (length, holding, left)


@pytest.mark.parametrize("timeout", [None, 0, -1])
def test_a_group_without_a_timeout_has_coschedulings(timeout: int | None) -> None:
    assert gang.attempt(group(timeout=timeout), 0).length == 60


def test_a_timeout_is_said_in_coschedulings_words() -> None:
    said = "rejected due to timeout after waiting {} at plugin Coscheduling"
    assert gang.timed_out(gang.attempt(group(timeout=60), 61)) == said.format("1m0s")
    assert gang.timed_out(gang.attempt(group(timeout=7), 8)) == said.format("7s")
