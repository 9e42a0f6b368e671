"""What the scheduler knows of pods, and which changes are worth a pass."""

from __future__ import annotations

from jupyter_trainjob.cluster.podcache import Counts, PodCache

from .pods import cache, pod


def names(known: PodCache) -> tuple[list[str], list[str]]:
    seen = known.snapshot()
    return [each.name for each in seen.waiting], [each.pod["metadata"]["name"] for each in seen.bound]


def test_a_pod_waits_is_bound_and_ends() -> None:
    known = PodCache()
    new, bound = pod("p"), pod("p", on="n")
    assert known.see(None, new), "a pod that wants a node"
    assert names(known) == (["p"], [])
    assert not known.see(new, bound), "nothing can come of a binding"
    assert names(known) == ([], ["p"])
    running = pod("p", on="n", phase="Running")
    assert not known.see(bound, running), "nor of a program that starts"
    assert known.see(running, pod("p", on="n", phase="Succeeded")), "room became free"
    assert names(known) == ([], [])


def test_what_changes_in_a_pods_status_is_kept_but_not_worth_a_pass() -> None:
    new = pod("p")
    told = {**pod("p"), "status": {"conditions": [{"type": "PodScheduled", "status": "False"}]}}
    known = cache(new)
    assert not known.see(new, told)
    [waiting] = known.snapshot().waiting
    assert waiting.pod == told
    assert waiting.came[1] == int(new["metadata"]["resourceVersion"]), "it keeps its place"


def test_a_gate_that_opens_is_worth_a_pass() -> None:
    gated = pod("p", schedulingGates=[{"name": "g"}])
    known = cache(gated)
    assert known.snapshot().waiting[0].gated
    assert known.see(gated, pod("p"))
    assert not known.snapshot().waiting[0].gated


def test_a_pod_that_goes_makes_room() -> None:
    waiting, bound = pod("waiting"), pod("bound", on="n")
    known = cache(waiting, bound)
    assert known.see(bound, None)
    assert known.see(waiting, None)
    assert names(known) == ([], [])


def test_a_pod_that_is_made_again_under_its_name_is_another() -> None:
    old, new = pod("p", on="n"), pod("p")
    new["metadata"]["uid"] = "another"
    known = cache(old)
    assert known.see(old, new)
    assert names(known) == (["p"], [])


def test_a_dying_pod_and_one_of_another_scheduler_do_not_wait() -> None:
    dying = pod("dying")
    dying["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert names(cache(dying, pod("theirs", schedulerName="acme"))) == ([], [])
    assert names(cache(pod("ours", schedulerName="scheduler-plugins-scheduler"))) == (["ours"], [])


def test_a_binding_counts_before_the_informer_shows_it() -> None:
    new = pod("p", group="g")
    known = cache(new)
    known.assume(known.snapshot().waiting[0], "n")
    assert names(known) == ([], ["p"])
    assert not known.see(new, pod("p", group="g")), "an older copy changes nothing"
    assert names(known) == ([], ["p"])
    known.see(new, pod("p", group="g", on="n"))
    assert known.see(None, pod("p", group="g", on="n", phase="Failed"))
    assert names(known) == ([], [])


def test_a_binding_that_the_informer_showed_first_is_not_undone() -> None:
    known = cache(pod("p"))
    [waiting] = known.snapshot().waiting
    known.see(None, pod("p", on="n"))
    known.see(None, pod("p", on="n", phase="Succeeded"))
    known.assume(waiting, "n")
    assert names(known) == ([], [])


def test_the_pods_of_a_group_are_counted_until_they_are_gone() -> None:
    ended = pod("ended", group="g", on="n", phase="Failed")
    gated = pod("gated", group="g", schedulingGates=[{"name": "x"}])
    known = cache(ended, gated, pod("new", group="g"), pod("elsewhere", group="g", namespace="b"))
    assert known.snapshot().counts == {("a", "g"): Counts(3, 1, 1), ("b", "g"): Counts(1, 0, 0)}
    known.see(None, {**ended, "metadata": {**ended["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    known.see(gated, pod("gated", group="g"))
    assert known.snapshot().counts["a", "g"] == Counts(2, 0, 0)


def test_a_pod_that_changes_its_group_leaves_the_other_one() -> None:
    before, after, other = pod("p", group="g"), pod("p", group="h"), pod("other", group="g")
    known = cache(before, other)
    known.see(before, after)
    counts = known.snapshot().counts
    assert {group: found.total for (_, group), found in counts.items()} == {"g": 1, "h": 1}
