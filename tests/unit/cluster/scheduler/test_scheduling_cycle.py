"""One scheduling cycle: fairness, reservations, gangs, preemption and messages."""

from __future__ import annotations

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.scheduler import placement, scheduling_cycle, scheduling_queue
from jupyter_trainjob.cluster.scheduler.scheduling_cycle import Outcome
from tests.unit.cluster.pods import NOW, cache, group, node, pod


def run(
    *pods: KubeObject, nodes: list[KubeObject] | None = None, groups: list[KubeObject] | None = None, now: float = NOW
) -> Outcome:
    snapshot = cache(*pods).snapshot()
    all_nodes = [node()] if nodes is None else nodes
    groups_by_key = {(entry["metadata"]["namespace"], entry["metadata"]["name"]): entry for entry in groups or []}
    infos = placement.node_infos(all_nodes, ((entry.node, entry.requests) for entry in snapshot.bound))
    shares = scheduling_queue.NamespaceShares(
        scheduling_queue.total_allocatable(all_nodes), ((entry.namespace, entry.requests) for entry in snapshot.bound)
    )
    return scheduling_cycle.run_cycle(
        scheduling_queue.build_units(snapshot.pending, groups_by_key, snapshot.counts, now=now),
        infos,
        shares,
        snapshot.bound,
    )


def placed(outcome: Outcome) -> list[str]:
    return [f"{placement.pod.namespace}/{placement.pod.name}" for placement in outcome.placed]


def messages(outcome: Outcome) -> dict[str, str]:
    return {entry.pod.name: entry.message for entry in outcome.unscheduled}


def many(number: int, *, namespace: str = "a", cpu: str = "1", first: int = 0, on: str = "") -> list[KubeObject]:
    return [pod(f"{index:02}", namespace=namespace, cpu=cpu, on=on) for index in range(first, first + number)]


class TestFairness:
    def test_hundred_jobs_of_one_user_do_not_starve_another_user(self) -> None:
        outcome = run(*many(7, on="n"), *many(93, first=7), pod("one", namespace="b"))
        assert placed(outcome) == ["b/one"]

    def test_namespaces_alternate_when_nothing_is_used(self) -> None:
        outcome = run(*many(9, cpu="2"), *many(9, cpu="2", namespace="b"))
        assert placed(outcome) == ["a/00", "b/00", "a/01", "b/01"]

    def test_share_counts_instead_of_the_number_of_pods(self) -> None:
        outcome = run(*many(9, cpu="1"), *many(9, cpu="3", namespace="b"))
        assert placed(outcome) == ["a/00", "b/00", "a/01", "a/02", "a/03", "a/04"]

    def test_share_is_that_of_the_dominant_resource(self) -> None:
        hungry = pod("hungry", namespace="b", on="n")
        hungry["spec"]["containers"][0]["resources"]["requests"]["memory"] = "12Gi"
        outcome = run(*many(3, on="n"), hungry, pod("a"), pod("b", namespace="b"))
        assert placed(outcome) == ["a/a", "b/b"]

    def test_pods_without_requests_are_counted(self) -> None:
        nodes = [node(cpu="0")]
        nodes[0]["status"]["allocatable"]["pods"] = "4"
        outcome = run(*many(3, cpu="0"), *many(3, cpu="0", namespace="b"), nodes=nodes)
        assert placed(outcome) == ["a/00", "b/00", "a/01", "b/01"]

    def test_priority_precedes_fairness(self) -> None:
        outcome = run(
            *many(4, on="n"), *(pod(f"urgent-{n}", cpu="2", priority=5) for n in range(2)), pod("b", namespace="b")
        )
        assert placed(outcome) == ["a/urgent-0", "a/urgent-1"]

    def test_oldest_pod_of_a_namespace_is_first(self) -> None:
        assert placed(run(pod("new", cpu="8"), pod("old", cpu="8", waited=9))) == ["a/old"]


class TestReservation:
    def test_small_pod_may_overtake_a_recent_large_one(self) -> None:
        assert placed(run(*many(4, on="n"), pod("large", cpu="6", waited=59), pod("small"))) == ["a/small"]

    def test_large_pod_reserves_free_resources_after_a_while(self) -> None:
        outcome = run(*many(4, on="n"), pod("large", cpu="6", waited=60), pod("small"), pod("theirs", namespace="b"))
        assert placed(outcome) == ["b/theirs"], "a lower share precedes a longer waiting time"
        assert messages(outcome)["large"] == "0/1 nodes are available: 1 Insufficient cpu."
        message = "0/1 nodes are available: 1 node(s) kept cpu for pods ahead in the queue."
        assert messages(outcome)["small"] == message

    def test_only_insufficient_resources_are_reserved(self) -> None:
        large = pod("large", cpu="1", waited=60)
        large["spec"]["containers"][0]["resources"]["requests"]["memory"] = "17Gi"
        nodes = [node()]
        nodes[0]["status"]["allocatable"]["memory"] = "20Gi"
        other = pod("other", on="n")
        other["spec"]["containers"][0]["resources"]["requests"]["memory"] = "8Gi"
        assert placed(run(other, large, pod("small"), nodes=nodes)) == ["a/small"]

    def test_pod_that_never_fits_reserves_nothing(self) -> None:
        assert placed(run(pod("giant", cpu="9", waited=600), pod("small"))) == ["a/small"]

    def test_nothing_is_reserved_on_excluded_nodes(self) -> None:
        picky = pod("picky", cpu="2", waited=600, nodeSelector={"disk": "ssd"})
        assert placed(run(picky, pod("small"))) == ["a/small"]


class TestGangs:
    def test_gang_is_placed_as_a_whole(self) -> None:
        pods = [pod(f"{index}", cpu="4", group="g") for index in range(2)]
        assert placed(run(*pods, groups=[group()])) == ["a/0", "a/1"]

    def test_gang_that_does_not_fit_has_a_message_on_every_member(self) -> None:
        outcome = run(*many(1, on="n"), *(pod(f"{index}", cpu="4", group="g") for index in range(2)), groups=[group()])
        assert placed(outcome) == []
        rejected = "PodGroup a/g gets rejected due to Pod 1 is unschedulable even after PostFilter"
        why = f"0/1 nodes are available: 1 Insufficient cpu. {rejected}"
        assert messages(outcome) == {"0": why, "1": why}

    def test_gang_waits_for_its_pods_to_be_created(self) -> None:
        assert messages(run(pod("0", group="g"), groups=[group()])) == {}, "no message while the gang is forming"
        outcome = run(pod("0", group="g", waited=3), groups=[group()])
        assert messages(outcome)["0"] == (
            "0/1 nodes are available: pre-filter pod 0 cannot find enough sibling pods, current pods number: 1, "
            "minMember of group: 2."
        )

    def test_pods_wait_for_a_missing_podgroup(self) -> None:
        assert messages(run(pod("0", group="g", waited=3)))["0"] == "0/1 nodes are available: PodGroup not found."

    def test_replaced_member_joins_the_running_gang(self) -> None:
        assert placed(run(pod("0", group="g", on="n"), pod("1", group="g"), groups=[group()])) == ["a/1"]

    def test_members_beyond_min_member_are_placed_if_they_fit(self) -> None:
        outcome = run(*(pod(f"{index}", cpu="3", group="g") for index in range(3)), groups=[group()])
        assert placed(outcome) == ["a/0", "a/1"]
        assert messages(outcome) == {"2": "0/1 nodes are available: 1 Insufficient cpu."}

    def test_gang_is_placed_on_several_nodes(self) -> None:
        pods = [pod(f"{index}", cpu="6", group="g") for index in range(2)]
        outcome = run(*pods, nodes=[node("x"), node("y")], groups=[group()])
        assert {entry.node for entry in outcome.placed} == {"x", "y"}

    def test_unplaced_gang_releases_its_allocations(self) -> None:
        gang = [pod(f"{index}", cpu="5", group="g", waited=61) for index in range(2)]
        outcome = run(*gang, pod("single", cpu="5"), groups=[group(least=2, age=61)])
        assert placed(outcome) == ["a/single"]

    def test_gang_reserves_resources_until_its_timeout(self) -> None:
        pods = [pod("running", cpu="2", on="n"), *(pod(f"{i}", cpu="4", group="g", waited=29) for i in range(2))]
        outcome = run(*pods, pod("small"), groups=[group(timeout=30, age=29)])
        assert placed(outcome) == []
        assert "kept cpu for pods ahead in the queue" in messages(outcome)["small"]

    def test_gang_backs_off_after_its_timeout_with_a_message(self) -> None:
        pods = [pod("running", cpu="2", on="n"), *(pod(f"{i}", cpu="4", group="g", waited=31) for i in range(2))]
        outcome = run(*pods, pod("small"), groups=[group(timeout=30, age=31)])
        assert placed(outcome) == ["a/small"]
        message = (
            "rejected due to timeout after waiting 30s at plugin Coscheduling; 0/1 nodes are available: 1 Insufficient"
        )
        assert messages(outcome)["0"].startswith(message)

    def test_gang_that_backs_off_is_placed_if_nothing_else_is_pending(self) -> None:
        pods = [pod(f"{i}", cpu="4", group="g", waited=31) for i in range(2)]
        assert placed(run(*pods, groups=[group(timeout=30, age=31)])) == ["a/0", "a/1"]

    def test_min_resources_of_the_group_must_be_free(self) -> None:
        asking = group()
        asking["spec"]["minResources"] = {"cpu": "6500m"}
        pods = [pod(f"{i}", group="g") for i in range(2)]
        assert placed(run(*pods, groups=[asking])) == ["a/0", "a/1"]
        outcome = run(*pods, *many(2, namespace="b", on="n"), groups=[asking])
        assert placed(outcome) == []
        assert messages(outcome)["0"].startswith("0/1 nodes are available: resource gap: cpu: 500m. PodGroup a/g gets")

    def test_waiting_time_of_a_gang_starts_with_its_last_pod(self) -> None:
        pods = [pod("running", cpu="2", on="n"), pod("0", cpu="4", group="g", waited=99), pod("1", cpu="4", group="g")]
        outcome = run(*pods, groups=[group(timeout=30, age=99)])
        assert "timeout" not in messages(outcome)["0"]


def preempted(outcome: Outcome) -> list[str]:
    return [f"{entry.victim.pod['metadata']['name']} for {entry.preemptor.name}" for entry in outcome.preempted]


class TestPreemption:
    def test_pod_of_lower_priority_is_preempted(self) -> None:
        outcome = run(pod("low", cpu="6", on="n"), pod("high", cpu="4", priority=5))
        assert preempted(outcome) == ["low for high"]
        assert messages(outcome)["high"] == "0/1 nodes are available: 1 Insufficient cpu."

    def test_pod_of_equal_priority_is_not_preempted(self) -> None:
        assert preempted(run(pod("low", cpu="6", on="n", priority=5), pod("high", cpu="4", priority=5))) == []

    def test_preemption_policy_never(self) -> None:
        outcome = run(pod("low", cpu="6", on="n"), pod("high", cpu="4", priority=5, preemptionPolicy="Never"))
        assert preempted(outcome) == []

    def test_nothing_is_preempted_if_it_does_not_help(self) -> None:
        assert (
            preempted(
                run(
                    pod("low", cpu="1", on="n"), pod("same", cpu="7", on="n", priority=5), pod("h", cpu="4", priority=5)
                )
            )
            == []
        )

    def test_preemption_keeps_pods_of_higher_priority_and_age(self) -> None:
        running = [
            pod("old", cpu="2", on="n", waited=9),
            pod("young", cpu="2", on="n", waited=1),
            pod("better", cpu="2", on="n", priority=1),
            pod("small", cpu="1", on="n", waited=99),
        ]
        assert preempted(run(*running, pod("high", cpu="3", priority=5))) == ["young for high"]

    def test_nothing_is_preempted_while_terminating_pods_suffice(self) -> None:
        ending = pod("ending", cpu="4", on="n")
        ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        outcome = run(ending, pod("low", cpu="4", on="n"), pod("high", cpu="4", priority=5))
        assert preempted(outcome) == []

    def test_free_resources_are_reserved_for_the_preemptor(self) -> None:
        outcome = run(pod("low", cpu="6", on="n"), pod("high", cpu="4", priority=5), pod("small", cpu="1"))
        assert placed(outcome) == []

    def test_one_unit_preempts_at_a_time(self) -> None:
        running = [pod("x", cpu="4", on="n"), pod("y", cpu="4", on="n")]
        assert preempted(run(*running, pod("a", cpu="3", priority=5), pod("b", cpu="3", priority=5))) == ["y for a"]

    def test_preemption_for_a_whole_gang(self) -> None:
        running = [pod("x", cpu="4", on="n", waited=2), pod("y", cpu="4", on="n", waited=1)]
        gang = [pod(f"{i}", cpu="3", group="g", priority=5) for i in range(2)]
        assert preempted(run(*running, *gang, groups=[group()])) == ["x for 0", "y for 0"]


def test_gated_pod_is_ignored() -> None:
    outcome = run(pod("gated", schedulingGates=[{"name": "g"}]))
    assert (outcome.placed, outcome.unscheduled) == ([], [])


def test_message_without_nodes() -> None:
    assert messages(run(pod("p"), nodes=[])) == {"p": "no nodes available to schedule pods"}


@pytest.mark.slow
def test_cycle_over_ten_thousand_pods_places_those_that_fit() -> None:
    pods = [pod(f"{index}", namespace=f"ns-{index % 40}", waited=index % 200) for index in range(10_000)]
    snapshot = cache(*pods).snapshot()
    nodes = [node()]
    shares = scheduling_queue.NamespaceShares(scheduling_queue.total_allocatable(nodes), [])
    outcome = scheduling_cycle.run_cycle(
        scheduling_queue.build_units(snapshot.pending, {}, {}, now=NOW), placement.node_infos(nodes), shares
    )
    assert (len(outcome.placed), len(outcome.unscheduled)) == (8, 9_992)


@pytest.mark.slow
def test_ten_thousand_pods_of_one_priority_preempt_none() -> None:
    pods = [pod(f"{index}", cpu=str(9 + index % 5), priority=5) for index in range(10_000)]
    running = [pod(f"running-{index}", cpu="10m", on="n") for index in range(200)]
    outcome = run(*running, *pods)
    assert (len(outcome.preempted), len(outcome.unscheduled)) == (0, 10_000)
