from __future__ import annotations

import itertools
from typing import Any

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.client import phases
from jupyter_trainjob.client.snapshot import PHASES, Phase
from jupyter_trainjob.metrics.record import Record
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.client.pods import T0, pod, trainjob
from tests.unit.metrics.frames import Rank, record_of


def start(rank: int, at: float, world: int = 2, attempt: int = 1) -> list[Frame]:
    return Rank(rank, attempt).say("start", time=T0 + at, world=world, host="a", pid=1, python="3")


def of(job: Object, pods: list[Object], *words: list[Frame], ended: float | None = None, **options: Any) -> list[Phase]:
    options = {"nodes": 2, "speaks": True, "seen": {}, **options}
    end = None if ended is None else T0 + ended
    return list(phases.phases(job, pods, record_of(*words) if words else Record(), ended=end, **options))


def seen(found: list[Phase]) -> list[tuple[str, float, float | None]]:
    return [(each.name, each.started - T0, None if each.ended is None else each.ended - T0) for each in found]


ONE_RUNS = [pod(0, created=1, placed=2, running=5), pod(1, created=1, placed=3)]
BOTH_RUN = [pod(0, created=1, placed=2, running=5), pod(1, created=1, placed=3, running=6)]
UP_TO_IMAGE = [("queued", 0, 1), ("scheduling", 1, 3), ("image", 3, 6)]
BY_HAND = trainjob(ours=False)
LIVES: dict[str, tuple[list[Object], list[list[Frame]], list[tuple[str, float, float | None]]]] = {
    "before there are pods it is queued": ([], [], [("queued", 0, None)]),
    "while pods are missing it is queued": ([pod(0, created=1)], [], [("queued", 0, None)]),
    "with all pods it is scheduled": (
        [pod(0, created=1, placed=2), pod(1, created=1)],
        [],
        [("queued", 0, 1), ("scheduling", 1, None)],
    ),
    "with all pods placed images are fetched": (ONE_RUNS, [], [*UP_TO_IMAGE[:2], ("image", 3, None)]),
    "with all containers running it starts": (BOTH_RUN, [], [*UP_TO_IMAGE, ("starting", 6, None)]),
    "with the first rank there the others are waited for": (
        BOTH_RUN,
        [start(0, 7.5)],
        [*UP_TO_IMAGE, ("starting", 6, 7.5), ("rendezvous", 7.5, None)],
    ),
    "with all ranks there it trains": (
        BOTH_RUN,
        [start(0, 7.5), start(1, 8.25)],
        [*UP_TO_IMAGE, ("starting", 6, 7.5), ("rendezvous", 7.5, 8.25), ("training", 8.25, None)],
    ),
}


@pytest.mark.parametrize(("pods", "words", "expected"), LIVES.values(), ids=LIVES)
def test_a_life(pods: list[Object], words: list[list[Frame]], expected: list[tuple[str, float, float | None]]) -> None:
    assert seen(of(trainjob(), pods, *words)) == expected


def test_the_last_phase_ends_with_the_job() -> None:
    assert seen(of(trainjob(), BOTH_RUN, start(0, 7), start(1, 7), ended=20))[-1] == ("training", 7, 20)
    assert seen(of(trainjob(), ONE_RUNS, ended=20))[-1] == ("image", 3, 20)


def test_phases_of_which_nothing_is_known_are_left_out() -> None:
    done = trainjob(Complete=("True", 20))
    found = of(done, [], start(0, 7.5), start(1, 8.25), ended=20)
    assert seen(found) == [("rendezvous", 7.5, 8.25), ("training", 8.25, 20)]


def test_of_a_complete_job_of_which_nothing_is_known_nothing_is_said() -> None:
    assert of(trainjob(Complete=("True", 20)), [], ended=20) == []
    assert seen(of(trainjob(Failed=("True", 20)), [], ended=20)) == [("queued", 0, 20)]


def test_of_a_job_that_has_come_further_the_pods_that_are_left_count() -> None:
    found = of(trainjob(), BOTH_RUN[:1], start(0, 7), start(1, 8), ended=20)
    assert [phase.name for phase in found] == list(PHASES)


def test_a_phase_never_ends_before_it_begins() -> None:
    # The ranks' clock says 4.9, the API's 5 and 6.
    found = of(trainjob(), BOTH_RUN, start(0, 4.9), start(1, 4.95), ended=5.5)
    assert all(first.ended == second.started for first, second in itertools.pairwise(found))
    assert all(phase.ended is not None and phase.ended >= phase.started for phase in found)


def test_a_program_that_is_not_ours_trains_when_its_containers_run() -> None:
    assert seen(of(BY_HAND, BOTH_RUN, speaks=False)) == [*UP_TO_IMAGE, ("training", 6, None)]


def test_a_resumed_job_begins_again_and_its_former_life_does_not_count() -> None:
    job = trainjob(Suspended=("False", 100))
    again = [pod(index, created=101, placed=101, running=102) for index in (0, 1)]
    found = of(job, again, start(0, 7), start(1, 8))
    assert seen(found) == [("queued", 100, 101), ("scheduling", 101, 101), ("image", 101, 102), ("starting", 102, None)]
    found = of(job, again, start(0, 7), start(1, 8), start(0, 103, attempt=2), start(1, 104, attempt=2))
    assert seen(found)[-1] == ("training", 104, None)


def test_a_restarted_job_begins_with_its_pods() -> None:
    again = [pod(index, created=50, placed=50, running=51, attempt=1) for index in (0, 1)]
    assert seen(of(trainjob(), again))[0] == ("queued", 50, 50)


def test_who_watched_knows_fractions_of_seconds() -> None:
    sights = {
        ("u-1", phases.CREATED): T0 + 0.3,
        ("p-0-0", phases.CREATED): T0 + 1.4,
        ("p-1-0", phases.CREATED): T0 + 1.5,
        ("p-0-0", phases.PLACED): T0 + 2.2,
        ("p-1-0", phases.PLACED): T0 + 4.3,
        ("p-0-0", phases.RUNNING): T0 + 400,
        ("p-1-0", phases.RUNNING): T0 + 5.9,
    }
    assert seen(of(trainjob(), BOTH_RUN, seen=sights)) == [
        ("queued", pytest.approx(0.3), pytest.approx(1.5)),
        ("scheduling", pytest.approx(1.5), 4.0),  # the API wrote 3: it was not later than 4
        ("image", 4.0, 6.0),  # seen minutes later, or before the API's time: not this
        ("starting", 6.0, None),
    ]


def test_marks_of_a_pod() -> None:
    assert phases.marks(pod(0)) == ["created"]
    assert phases.marks(pod(0, placed=1)) == ["created", "placed"]
    assert phases.marks(pod(0, placed=1, running=2, code=1)) == ["created", "placed", "running"]
