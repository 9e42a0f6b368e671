from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.client.earlier import MOST, choose


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
            id="of jobs that are as much alike the newest is first",
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
def test_the_most_alike_come_first(others: list[dict[str, Any]], names: list[str]) -> None:
    reported = {each["metadata"]["uid"] for each in [OWN, *others]}
    assert [each.name for each in choose(OWN, others, reported=reported)] == names


def test_a_job_of_which_nothing_is_kept_is_left_out() -> None:
    assert choose(OWN, [job("digits-aaaaa")], reported={"uid-digits-x7k2p"}) == []


def test_there_are_not_more_than_can_be_looked_through() -> None:
    others = [job(f"digits-{n:05}") for n in range(MOST + 9)]
    assert len(choose(OWN, others, reported={each["metadata"]["uid"] for each in others})) == MOST


def test_it_says_how_and_when_a_job_ended() -> None:
    ended = {"type": "Failed", "status": "True", "lastTransitionTime": "2030-01-01T00:01:00Z"}
    found = choose(OWN, [job("digits-aaaaa", conditions=[ended])], reported={"uid-digits-aaaaa"})[0]
    assert (found.state.value, (found.finished or 0) - found.created) == ("Failed", 60)
