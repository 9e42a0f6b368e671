"""Who gets a node in a pass, in which order, and what is said to the others."""

from __future__ import annotations

import time

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster import cycle, placement, queue
from jupyter_trainjob.cluster.cycle import Outcome

from .pods import NOW, cache, group, node, pod


def run(
    *pods: Object, nodes: list[Object] | None = None, groups: list[Object] | None = None, now: float = NOW
) -> Outcome:
    seen = cache(*pods).snapshot()
    found = [node()] if nodes is None else nodes
    named = {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in groups or []}
    rooms = placement.rooms(found, ((each.node, each.needs) for each in seen.bound))
    shares = queue.Shares(queue.total_of(found), ((each.namespace, each.needs) for each in seen.bound))
    return cycle.run(queue.units(seen.waiting, named, seen.counts, now=now), rooms, shares, seen.bound)


def placed(outcome: Outcome) -> list[str]:
    return [f"{each.pod.namespace}/{each.pod.name}" for each in outcome.placed]


def whys(outcome: Outcome) -> dict[str, str]:
    return {each.pod.name: each.why for each in outcome.left}


def many(number: int, *, namespace: str = "a", cpu: str = "1", first: int = 0, on: str = "") -> list[Object]:
    return [pod(f"{index:02}", namespace=namespace, cpu=cpu, on=on) for index in range(first, first + number)]


class TestFairness:
    def test_one_users_hundred_jobs_do_not_starve_anothers_one(self) -> None:
        outcome = run(*many(7, on="n"), *many(93, first=7), pod("one", namespace="b"))
        assert placed(outcome) == ["b/one"]

    def test_turns_are_taken_where_nobody_has_anything_yet(self) -> None:
        outcome = run(*many(9, cpu="2"), *many(9, cpu="2", namespace="b"))
        assert placed(outcome) == ["a/00", "b/00", "a/01", "b/01"]

    def test_what_counts_is_the_share_and_not_the_number(self) -> None:
        outcome = run(*many(9, cpu="1"), *many(9, cpu="3", namespace="b"))
        assert placed(outcome) == ["a/00", "b/00", "a/01", "a/02", "a/03", "a/04"]

    def test_the_share_is_that_of_the_resource_of_which_one_has_most(self) -> None:
        hungry = pod("hungry", namespace="b", on="n")
        hungry["spec"]["containers"][0]["resources"]["requests"]["memory"] = "12Gi"
        outcome = run(*many(3, on="n"), hungry, pod("a"), pod("b", namespace="b"))
        assert placed(outcome) == ["a/a", "b/b"]

    def test_pods_that_ask_for_nothing_are_counted(self) -> None:
        nodes = [node(cpu="0")]
        nodes[0]["status"]["allocatable"]["pods"] = "4"
        outcome = run(*many(3, cpu="0"), *many(3, cpu="0", namespace="b"), nodes=nodes)
        assert placed(outcome) == ["a/00", "b/00", "a/01", "b/01"]

    def test_priority_comes_before_fairness(self) -> None:
        outcome = run(
            *many(4, on="n"), *(pod(f"urgent-{n}", cpu="2", priority=5) for n in range(2)), pod("b", namespace="b")
        )
        assert placed(outcome) == ["a/urgent-0", "a/urgent-1"]

    def test_within_a_namespace_it_is_first_come_first_served(self) -> None:
        assert placed(run(pod("new", cpu="8"), pod("old", cpu="8", waited=9))) == ["a/old"]


class TestPatience:
    def test_a_small_pod_may_overtake_a_large_one_for_a_while(self) -> None:
        assert placed(run(*many(4, on="n"), pod("large", cpu="6", waited=59), pod("small"))) == ["a/small"]

    def test_then_the_large_one_keeps_what_is_free(self) -> None:
        outcome = run(*many(4, on="n"), pod("large", cpu="6", waited=60), pod("small"), pod("theirs", namespace="b"))
        assert placed(outcome) == ["b/theirs"], "who has less comes first, whatever has waited"
        assert whys(outcome)["large"] == "0/1 nodes are available: 1 Insufficient cpu."
        kept = "0/1 nodes are available: 1 node(s) kept cpu for pods ahead in the queue."
        assert whys(outcome)["small"] == kept

    def test_what_it_is_not_short_of_is_free_for_all(self) -> None:
        large = pod("large", cpu="1", waited=60)
        large["spec"]["containers"][0]["resources"]["requests"]["memory"] = "17Gi"
        nodes = [node()]
        nodes[0]["status"]["allocatable"]["memory"] = "20Gi"
        other = pod("other", on="n")
        other["spec"]["containers"][0]["resources"]["requests"]["memory"] = "8Gi"
        assert placed(run(other, large, pod("small"), nodes=nodes)) == ["a/small"]

    def test_a_pod_that_never_fits_keeps_nothing(self) -> None:
        assert placed(run(pod("giant", cpu="9", waited=600), pod("small"))) == ["a/small"]

    def test_nothing_is_kept_on_nodes_that_it_cannot_go_to(self) -> None:
        picky = pod("picky", cpu="2", waited=600, nodeSelector={"disk": "ssd"})
        assert placed(run(picky, pod("small"))) == ["a/small"]


class TestGangs:
    def test_a_gang_is_placed_whole(self) -> None:
        pods = [pod(f"{index}", cpu="4", group="g") for index in range(2)]
        assert placed(run(*pods, groups=[group()])) == ["a/0", "a/1"]

    def test_or_not_at_all_and_every_member_is_told_why(self) -> None:
        outcome = run(*many(1, on="n"), *(pod(f"{index}", cpu="4", group="g") for index in range(2)), groups=[group()])
        assert placed(outcome) == []
        rejected = "PodGroup a/g gets rejected due to Pod 1 is unschedulable even after PostFilter"
        why = f"0/1 nodes are available: 1 Insufficient cpu. {rejected}"
        assert whys(outcome) == {"0": why, "1": why}

    def test_it_waits_for_its_pods_to_be_made(self) -> None:
        assert whys(run(pod("0", group="g"), groups=[group()])) == {}, "the next comes in a moment"
        outcome = run(pod("0", group="g", waited=3), groups=[group()])
        assert whys(outcome)["0"] == (
            "0/1 nodes are available: pre-filter pod 0 cannot find enough sibling pods, current pods number: 1, "
            "minMember of group: 2."
        )

    def test_a_group_that_is_not_there_is_waited_for(self) -> None:
        assert whys(run(pod("0", group="g", waited=3)))["0"] == "0/1 nodes are available: PodGroup not found."

    def test_a_member_that_is_made_again_joins_those_that_run(self) -> None:
        assert placed(run(pod("0", group="g", on="n"), pod("1", group="g"), groups=[group()])) == ["a/1"]

    def test_members_beyond_the_least_come_as_there_is_room(self) -> None:
        outcome = run(*(pod(f"{index}", cpu="3", group="g") for index in range(3)), groups=[group()])
        assert placed(outcome) == ["a/0", "a/1"]
        assert whys(outcome) == {"2": "0/1 nodes are available: 1 Insufficient cpu."}

    def test_it_spreads_over_nodes(self) -> None:
        pods = [pod(f"{index}", cpu="6", group="g") for index in range(2)]
        found = run(*pods, nodes=[node("x"), node("y")], groups=[group()])
        assert {each.node for each in found.placed} == {"x", "y"}

    def test_a_gang_that_was_not_placed_leaves_what_it_tried_to_others(self) -> None:
        gang = [pod(f"{index}", cpu="5", group="g", waited=61) for index in range(2)]
        outcome = run(*gang, pod("single", cpu="5"), groups=[group(least=2, age=61)])
        assert placed(outcome) == ["a/single"]

    def test_it_keeps_room_from_those_behind_it_for_as_long_as_its_timeout(self) -> None:
        pods = [pod("running", cpu="2", on="n"), *(pod(f"{i}", cpu="4", group="g", waited=29) for i in range(2))]
        outcome = run(*pods, pod("small"), groups=[group(timeout=30, age=29)])
        assert placed(outcome) == []
        assert "kept cpu for pods ahead in the queue" in whys(outcome)["small"]

    def test_then_it_steps_back_and_says_so(self) -> None:
        pods = [pod("running", cpu="2", on="n"), *(pod(f"{i}", cpu="4", group="g", waited=31) for i in range(2))]
        outcome = run(*pods, pod("small"), groups=[group(timeout=30, age=31)])
        assert placed(outcome) == ["a/small"]
        said = (
            "rejected due to timeout after waiting 30s at plugin Coscheduling; 0/1 nodes are available: 1 Insufficient"
        )
        assert whys(outcome)["0"].startswith(said)

    def test_stepping_back_it_still_gets_what_nobody_else_wants(self) -> None:
        pods = [pod(f"{i}", cpu="4", group="g", waited=31) for i in range(2)]
        assert placed(run(*pods, groups=[group(timeout=30, age=31)])) == ["a/0", "a/1"]

    def test_what_the_group_asks_for_has_to_be_free_whatever_its_pods_ask_for(self) -> None:
        asking = group()
        asking["spec"]["minResources"] = {"cpu": "6500m"}
        pods = [pod(f"{i}", group="g") for i in range(2)]
        assert placed(run(*pods, groups=[asking])) == ["a/0", "a/1"]
        outcome = run(*pods, *many(2, namespace="b", on="n"), groups=[asking])
        assert placed(outcome) == []
        assert whys(outcome)["0"].startswith("0/1 nodes are available: resource gap: cpu: 500m. PodGroup a/g gets")

    def test_it_waits_from_when_its_last_pod_came(self) -> None:
        pods = [pod("running", cpu="2", on="n"), pod("0", cpu="4", group="g", waited=99), pod("1", cpu="4", group="g")]
        outcome = run(*pods, groups=[group(timeout=30, age=99)])
        assert "timeout" not in whys(outcome)["0"]


def ended(outcome: Outcome) -> list[str]:
    return [f"{each.victim.pod['metadata']['name']} for {each.preemptor.name}" for each in outcome.ended]


class TestPreemption:
    def test_a_less_important_pod_makes_room(self) -> None:
        outcome = run(pod("low", cpu="6", on="n"), pod("high", cpu="4", priority=5))
        assert ended(outcome) == ["low for high"]
        assert whys(outcome)["high"] == "0/1 nodes are available: 1 Insufficient cpu."

    def test_one_as_important_does_not(self) -> None:
        assert ended(run(pod("low", cpu="6", on="n", priority=5), pod("high", cpu="4", priority=5))) == []

    def test_nor_for_a_pod_whose_class_preempts_never(self) -> None:
        outcome = run(pod("low", cpu="6", on="n"), pod("high", cpu="4", priority=5, preemptionPolicy="Never"))
        assert ended(outcome) == []

    def test_nobody_ends_in_vain(self) -> None:
        assert (
            ended(
                run(
                    pod("low", cpu="1", on="n"), pod("same", cpu="7", on="n", priority=5), pod("h", cpu="4", priority=5)
                )
            )
            == []
        )

    def test_as_few_as_possible_end_and_the_most_important_and_oldest_are_spared(self) -> None:
        running = [
            pod("old", cpu="2", on="n", waited=9),
            pod("young", cpu="2", on="n", waited=1),
            pod("better", cpu="2", on="n", priority=1),
            pod("small", cpu="1", on="n", waited=99),
        ]
        assert ended(run(*running, pod("high", cpu="3", priority=5))) == ["young for high"]

    def test_while_somebody_is_ending_nobody_else_is_ended(self) -> None:
        ending = pod("ending", cpu="4", on="n")
        ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        outcome = run(ending, pod("low", cpu="4", on="n"), pod("high", cpu="4", priority=5))
        assert ended(outcome) == []

    def test_what_is_free_is_kept_for_the_one_that_waits_for_the_end_of_others(self) -> None:
        outcome = run(pod("low", cpu="6", on="n"), pod("high", cpu="4", priority=5), pod("small", cpu="1"))
        assert placed(outcome) == []

    def test_one_at_a_time_has_others_ended(self) -> None:
        running = [pod("x", cpu="4", on="n"), pod("y", cpu="4", on="n")]
        assert ended(run(*running, pod("a", cpu="3", priority=5), pod("b", cpu="3", priority=5))) == ["y for a"]

    def test_room_is_made_for_a_whole_gang(self) -> None:
        running = [pod("x", cpu="4", on="n", waited=2), pod("y", cpu="4", on="n", waited=1)]
        gang = [pod(f"{i}", cpu="3", group="g", priority=5) for i in range(2)]
        assert ended(run(*running, *gang, groups=[group()])) == ["x for 0", "y for 0"]


def test_a_gated_pod_takes_no_part() -> None:
    outcome = run(pod("gated", schedulingGates=[{"name": "g"}]))
    assert (outcome.placed, outcome.left) == ([], [])


def test_without_nodes_it_is_said_so() -> None:
    assert whys(run(pod("p"), nodes=[])) == {"p": "no nodes available to schedule pods"}


def test_ten_thousand_pods_are_passed_in_a_moment() -> None:
    pods = [pod(f"{index}", namespace=f"ns-{index % 40}", waited=index % 200) for index in range(10_000)]
    seen = cache(*pods).snapshot()
    began = time.process_time()
    nodes = [node()]
    shares = queue.Shares(queue.total_of(nodes), [])
    outcome = cycle.run(queue.units(seen.waiting, {}, {}, now=NOW), placement.rooms(nodes), shares)
    assert (len(outcome.placed), len(outcome.left)) == (8, 9_992)
    assert time.process_time() - began < 1.0


def test_ten_thousand_important_pods_that_cannot_be_helped_are_passed_in_a_moment() -> None:
    pods = [pod(f"{index}", cpu=str(9 + index % 5), priority=5) for index in range(10_000)]
    running = [pod(f"running-{index}", cpu="10m", on="n") for index in range(200)]
    began = time.process_time()
    outcome = run(*running, *pods)
    assert (len(outcome.ended), len(outcome.left)) == (0, 10_000)
    assert time.process_time() - began < 3.0  # making the pods included
