"""The scheduler's pod cache, and which changes need a scheduling cycle."""

from __future__ import annotations

from jupyter_trainjob.cluster.scheduler.pod_cache import GroupCounts, PodCache
from tests.unit.cluster.pods import cache, pod


def names(pod_cache: PodCache) -> tuple[list[str], list[str]]:
    snapshot = pod_cache.snapshot()
    return [pod.name for pod in snapshot.pending], [pod.pod["metadata"]["name"] for pod in snapshot.bound]


def test_pod_from_pending_to_terminated() -> None:
    pod_cache = PodCache()
    new, bound = pod("p"), pod("p", on="n")
    assert pod_cache.observe(None, new), "a new pending pod"
    assert names(pod_cache) == (["p"], [])
    assert not pod_cache.observe(new, bound), "a binding needs no cycle"
    assert names(pod_cache) == ([], ["p"])
    running = pod("p", on="n", phase="Running")
    assert not pod_cache.observe(bound, running), "a phase change needs no cycle"
    assert pod_cache.observe(running, pod("p", on="n", phase="Succeeded")), "resources became free"
    assert names(pod_cache) == ([], [])


def test_status_change_is_stored_but_needs_no_cycle() -> None:
    new = pod("p")
    updated = {**pod("p"), "status": {"conditions": [{"type": "PodScheduled", "status": "False"}]}}
    pod_cache = cache(new)
    assert not pod_cache.observe(new, updated)
    [waiting] = pod_cache.snapshot().pending
    assert waiting.pod == updated
    assert waiting.arrival[1] == int(new["metadata"]["resourceVersion"]), "its position in the queue is unchanged"


def test_removed_scheduling_gate_needs_a_cycle() -> None:
    gated = pod("p", schedulingGates=[{"name": "g"}])
    pod_cache = cache(gated)
    assert pod_cache.snapshot().pending[0].gated
    assert pod_cache.observe(gated, pod("p"))
    assert not pod_cache.snapshot().pending[0].gated


def test_deleted_pods_need_a_cycle() -> None:
    waiting, bound = pod("waiting"), pod("bound", on="n")
    pod_cache = cache(waiting, bound)
    assert pod_cache.observe(bound, None)
    assert pod_cache.observe(waiting, None)
    assert names(pod_cache) == ([], [])


def test_recreated_pod_is_a_different_pod() -> None:
    old, new = pod("p", on="n"), pod("p")
    new["metadata"]["uid"] = "another"
    pod_cache = cache(old)
    assert pod_cache.observe(old, new)
    assert names(pod_cache) == (["p"], [])


def test_deleted_pods_and_pods_of_other_schedulers_are_not_pending() -> None:
    dying = pod("dying")
    dying["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert names(cache(dying, pod("theirs", schedulerName="acme"))) == ([], [])
    assert names(cache(pod("ours", schedulerName="scheduler-plugins-scheduler"))) == (["ours"], [])


def test_assumed_binding_counts_before_the_informer_shows_it() -> None:
    new = pod("p", group="g")
    pod_cache = cache(new)
    pod_cache.assume(pod_cache.snapshot().pending[0], "n")
    assert names(pod_cache) == ([], ["p"])
    assert not pod_cache.observe(new, pod("p", group="g")), "an older copy changes nothing"
    assert names(pod_cache) == ([], ["p"])
    pod_cache.observe(new, pod("p", group="g", on="n"))
    assert pod_cache.observe(None, pod("p", group="g", on="n", phase="Failed"))
    assert names(pod_cache) == ([], [])


def test_assuming_an_observed_binding_changes_nothing() -> None:
    pod_cache = cache(pod("p"))
    [waiting] = pod_cache.snapshot().pending
    pod_cache.observe(None, pod("p", on="n"))
    pod_cache.observe(None, pod("p", on="n", phase="Succeeded"))
    pod_cache.assume(waiting, "n")
    assert names(pod_cache) == ([], [])


def test_group_counts_exclude_deleted_pods() -> None:
    ended = pod("ended", group="g", on="n", phase="Failed")
    gated = pod("gated", group="g", schedulingGates=[{"name": "x"}])
    pod_cache = cache(ended, gated, pod("new", group="g"), pod("elsewhere", group="g", namespace="b"))
    assert pod_cache.snapshot().counts == {("a", "g"): GroupCounts(3, 1, 1), ("b", "g"): GroupCounts(1, 0, 0)}
    pod_cache.observe(None, {**ended, "metadata": {**ended["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    pod_cache.observe(gated, pod("gated", group="g"))
    assert pod_cache.snapshot().counts["a", "g"] == GroupCounts(2, 0, 0)


def test_pod_that_changes_its_group_leaves_the_old_one() -> None:
    before, after, other = pod("p", group="g"), pod("p", group="h"), pod("other", group="g")
    pod_cache = cache(before, other)
    pod_cache.observe(before, after)
    counts = pod_cache.snapshot().counts
    assert {group: group_counts.total for (_, group), group_counts in counts.items()} == {"g": 1, "h": 1}
