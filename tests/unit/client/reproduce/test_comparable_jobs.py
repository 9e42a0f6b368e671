from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.client.reproduce.comparable_jobs import MOST, choose


def job(
    name: str, *, nodes: int = 8, runtime: str = "torch-distributed", day: int = 1, **status: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": f"2030-01-{day:02}T00:00:00Z"},
        "spec": {"runtimeRef": {"name": runtime}, "trainer": {"numNodes": nodes}},
        **({"status": status} if status else {}),
    }


OWN = job("digits-x7k2p", day=20)


@pytest.mark.parametrize(
    ("others", "names"),
    [
        pytest.param([OWN], [], id="a job is not compared with itself"),
        pytest.param(
            [job("digits-aaaaa", day=2), job("digits-bbbbb", day=3)],
            ["digits-bbbbb", "digits-aaaaa"],
            id="of equally similar jobs the newest is first",
        ),
        pytest.param(
            [job("llama-aaaaa", day=9), job("digits-bbbbb", nodes=2, runtime="jax-distributed")],
            ["digits-bbbbb", "llama-aaaaa"],
            id="the name of the cell counts more than runtime and size",
        ),
        pytest.param(
            [job("llama-aaaaa", runtime="jax-distributed", day=9), job("llama-bbbbb", nodes=2)],
            ["llama-bbbbb", "llama-aaaaa"],
            id="the runtime counts more than the size",
        ),
        pytest.param([job("digits")], ["digits"], id="a name without an addition is one"),
    ],
)
def test_most_similar_jobs_come_first(others: list[dict[str, Any]], names: list[str]) -> None:
    reported = {trainjob["metadata"]["uid"] for trainjob in [OWN, *others]}
    assert [comparable.name for comparable in choose(OWN, others, reported=reported)] == names


def test_job_without_stored_reports_is_left_out() -> None:
    assert choose(OWN, [job("digits-aaaaa")], reported={"uid-digits-x7k2p"}) == []


def test_number_of_comparable_jobs_is_limited() -> None:
    others = [job(f"digits-{n:05}") for n in range(MOST + 9)]
    assert len(choose(OWN, others, reported={trainjob["metadata"]["uid"] for trainjob in others})) == MOST


def test_comparable_job_has_its_state_and_end_time() -> None:
    ended = {"type": "Failed", "status": "True", "lastTransitionTime": "2030-01-01T00:01:00Z"}
    comparable = choose(OWN, [job("digits-aaaaa", conditions=[ended])], reported={"uid-digits-aaaaa"})[0]
    assert (comparable.state.value, (comparable.finished or 0) - comparable.created) == ("Failed", 60)
