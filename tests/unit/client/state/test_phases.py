from __future__ import annotations

import itertools
from typing import Any

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.snapshot import PHASES, Phase
from jupyter_trainjob.client.state import phases
from jupyter_trainjob.constants import SENT_ANNOTATION
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.client.pods import T0, pod, trainjob
from tests.unit.metrics.frames import Rank, record_of


def start(rank: int, at: float, world: int = 2, attempt: int = 1) -> list[Frame]:
    return Rank(rank, attempt).say("start", time=T0 + at, world=world, host="a", pid=1, python="3")


def of(
    job: KubeObject, pods: list[KubeObject], *words: list[Frame], ended: float | None = None, **options: Any
) -> list[Phase]:
    options = {"nodes": 2, "reports_starts": True, **options}
    end = None if ended is None else T0 + ended
    return list(phases.derive_phases(job, pods, record_of(*words) if words else Telemetry(), ended=end, **options))


def as_rows(derived: list[Phase]) -> list[tuple[str, float, float | None]]:
    return [(phase.name, phase.started - T0, None if phase.ended is None else phase.ended - T0) for phase in derived]


ONE_RUNS = [pod(0, created=1, placed=2, running=5), pod(1, created=1, placed=3)]
BOTH_RUN = [pod(0, created=1, placed=2, running=5), pod(1, created=1, placed=3, running=6)]
UP_TO_IMAGE = [("queued", 0, 1), ("scheduling", 1, 3), ("image", 3, 6)]
BY_HAND = trainjob(ours=False)
LIVES: dict[str, tuple[list[KubeObject], list[list[Frame]], list[tuple[str, float, float | None]]]] = {
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
def test_phases_of_a_job(
    pods: list[KubeObject], words: list[list[Frame]], expected: list[tuple[str, float, float | None]]
) -> None:
    assert as_rows(of(trainjob(), pods, *words)) == expected


def test_last_phase_ends_with_the_job() -> None:
    assert as_rows(of(trainjob(), BOTH_RUN, start(0, 7), start(1, 7), ended=20))[-1] == ("training", 7, 20)
    assert as_rows(of(trainjob(), ONE_RUNS, ended=20))[-1] == ("image", 3, 20)


def test_phases_without_known_times_are_left_out() -> None:
    done = trainjob(Complete=("True", 20))
    derived = of(done, [], start(0, 7.5), start(1, 8.25), ended=20)
    assert as_rows(derived) == [("rendezvous", 7.5, 8.25), ("training", 8.25, 20)]


def test_complete_job_without_known_times_has_no_phases() -> None:
    assert of(trainjob(Complete=("True", 20)), [], ended=20) == []
    assert as_rows(of(trainjob(Failed=("True", 20)), [], ended=20)) == [("queued", 0, 20)]


def test_remaining_pods_count_for_a_job_that_has_got_further() -> None:
    derived = of(trainjob(), BOTH_RUN[:1], start(0, 7), start(1, 8), ended=20)
    assert [phase.name for phase in derived] == list(PHASES)


def test_phase_does_not_end_before_it_starts() -> None:
    # The ranks' clock says 4.9, the API's 5 and 6.
    derived = of(trainjob(), BOTH_RUN, start(0, 4.9), start(1, 4.95), ended=5.5)
    assert all(first.ended == second.started for first, second in itertools.pairwise(derived))
    assert all(phase.ended is not None and phase.ended >= phase.started for phase in derived)


def test_program_without_reports_trains_when_its_containers_run() -> None:
    assert as_rows(of(BY_HAND, BOTH_RUN, reports_starts=False)) == [*UP_TO_IMAGE, ("training", 6, None)]


def test_reports_from_before_a_resumption_do_not_count() -> None:
    job = trainjob(Suspended=("False", 100))
    again = [pod(index, created=101, placed=101, running=102) for index in (0, 1)]
    derived = of(job, again, start(0, 7), start(1, 8))
    assert as_rows(derived) == [
        ("queued", 100, 101),
        ("scheduling", 101, 101),
        ("image", 101, 102),
        ("starting", 102, None),
    ]
    derived = of(job, again, start(0, 7), start(1, 8), start(0, 103, attempt=2), start(1, 104, attempt=2))
    assert as_rows(derived)[-1] == ("training", 104, None)


def test_restarted_job_starts_with_its_pods() -> None:
    again = [pod(index, created=50, placed=50, running=51, attempt=1) for index in (0, 1)]
    assert as_rows(of(trainjob(), again))[0] == ("queued", 50, 50)


SENT: dict[str, tuple[str, float]] = {
    "its sender knows fractions of the second": (f"{T0 + 0.25:.3f}-9f86d081", 0.25),
    "an older word without a time says nothing": ("9f86d081884c7d65", 0),
    "a clock that is wrong is not believed": (f"{T0 + 7.5:.3f}-9f86d081", 0),
    "nor is one that is slow": (f"{T0 - 0.5:.3f}-9f86d081", 0),
    "a forged word is no time": ("1e400-x", 0),
}


@pytest.mark.parametrize(("word", "after"), SENT.values(), ids=SENT)
def test_creation_time(word: str, after: float) -> None:
    job = trainjob()
    job["metadata"]["annotations"] = {SENT_ANNOTATION: word}
    assert phases.creation_time(job) == T0 + after
