"""The next actions for a pod by the states of its containers: tables of kubelet's rules."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.pods import crash_backoff, pod_plan, pod_status
from jupyter_trainjob.cluster.agent.pods.pod_plan import End, Plan, View

NOW = 1000.0


def ended(code: int, *, at: float = NOW - 1, reason: str = "", **more: Any) -> View:
    reason = reason or ("Completed" if code == 0 else "Error")
    return View(end=End(code, reason, {"exitCode": code, "reason": reason}, at=at, ran=1.0), **more)


NEW = View()
UP = View(running="2026-01-01T00:00:00.000000000Z", ready=True)
BEGINS = View(starting=True)
DONE = ended(0)
BROKEN = ended(1)
AGAIN = ended(1, attempt=1, due=10.0)


def spec(policy: str = "Never", *, init: str = "", main: str = "a") -> KubeObject:
    """Return a pod's spec; init containers in upper case are sidecars."""
    first = [{"name": name, **({"restartPolicy": "Always"} if name.isupper() else {})} for name in init]
    pod_spec: KubeObject = {"restartPolicy": policy, "containers": [{"name": name} for name in main]}
    return {**pod_spec, "initContainers": first} if first else pod_spec


DECISIONS: dict[str, tuple[KubeObject, dict[str, View], Plan]] = {
    "a new pod starts its container": (spec(), {"a": NEW}, Plan(["a"])),
    "all containers start together": (spec(main="ab"), {"a": NEW, "b": NEW}, Plan(["a", "b"])),
    "a container that starts is left alone": (spec(), {"a": BEGINS}, Plan()),
    "a container that runs is left alone": (spec(), {"a": UP}, Plan()),
    "a pod whose container succeeded is over": (spec(), {"a": DONE}, Plan(finished=True)),
    "a pod whose container failed is over": (spec(), {"a": BROKEN}, Plan(finished=True)),
    "a pod waits for its last container": (spec(main="ab"), {"a": BROKEN, "b": UP}, Plan()),
    "the first init container comes first": (spec(init="ij"), {"i": NEW, "j": NEW, "a": NEW}, Plan(["i"])),
    "the others wait for it": (spec(init="ij"), {"i": UP, "j": NEW, "a": NEW}, Plan()),
    "the next one comes when it has succeeded": (spec(init="ij"), {"i": DONE, "j": NEW, "a": NEW}, Plan(["j"])),
    "containers start after the last init container": (spec(init="i"), {"i": DONE, "a": NEW}, Plan(["a"])),
    "an init container that fails ends the pod": (
        spec(init="ij"),
        {"i": BROKEN, "j": NEW, "a": NEW},
        Plan(finished=True),
    ),
    "it is tried again where the pod says so": (spec("OnFailure", init="i"), {"i": BROKEN, "a": NEW}, Plan(["i"])),
    "it is not run again when it has succeeded": (spec("Always", init="i"), {"i": DONE, "a": UP}, Plan()),
    "it waits like the others": (spec("Always", init="i"), {"i": AGAIN, "a": NEW}, Plan([], {"i": 9.0})),
    "a sidecar starts in its turn": (spec(init="Sj"), {"S": NEW, "j": NEW, "a": NEW}, Plan(["S"])),
    "those after a sidecar wait until it has started": (spec(init="S"), {"S": BEGINS, "a": NEW}, Plan()),
    "they do not wait for its end": (spec(init="S"), {"S": UP, "a": NEW}, Plan(["a"])),
    "a sidecar that ended is started again in any pod": (spec(init="S"), {"S": DONE, "a": UP}, Plan(["S"])),
    "a sidecar that is started again keeps nobody": (
        spec(init="S"),
        {"S": View(attempt=1, starting=True, last=DONE.end), "a": NEW},
        Plan(["a"]),
    ),
    "a sidecar that cannot start keeps those after it": (
        spec(init="S"),
        {"S": ended(128, reason="StartError", due=10.0), "a": NEW},
        Plan([], {"S": 9.0}),
    ),
    "a pod is over in spite of its sidecars": (spec(init="S"), {"S": UP, "a": DONE}, Plan(finished=True)),
    "a sidecar that waits to be started again keeps no pod": (
        spec(init="S"),
        {"S": AGAIN, "a": DONE},
        Plan(finished=True),
    ),
    "the first restart is immediate": (spec("OnFailure"), {"a": BROKEN}, Plan(["a"])),
    "a success is not repeated on failure": (spec("OnFailure"), {"a": DONE}, Plan(finished=True)),
    "a success is repeated always": (spec("Always"), {"a": DONE}, Plan(["a"])),
    "the second restart waits": (spec("Always"), {"a": AGAIN}, Plan([], {"a": 9.0})),
    "it does not wait for ever": (spec("Always"), {"a": ended(1, at=NOW - 10, due=10.0)}, Plan(["a"])),
    "one restarts while another runs": (spec("OnFailure", main="ab"), {"a": BROKEN, "b": UP}, Plan(["a"])),
    "a container has a policy of its own": (
        {"restartPolicy": "Never", "containers": [{"name": "a", "restartPolicy": "OnFailure"}]},
        {"a": BROKEN},
        Plan(["a"]),
    ),
    "a rule names the exit codes that are tried again": (
        {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "a",
                    "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1, 2]}}],
                }
            ],
        },
        {"a": BROKEN},
        Plan(["a"]),
    ),
}


@pytest.mark.parametrize(("wanted", "views", "expected"), DECISIONS.values(), ids=list(DECISIONS))
def test_decision(wanted: KubeObject, views: dict[str, View], expected: Plan) -> None:
    decision = pod_plan.decide(wanted, views, NOW)
    assert decision.finished is expected.finished
    if not decision.finished:
        assert decision == expected


STOPS: dict[str, tuple[dict[str, View], float, bool, dict[str, float]]] = {
    "containers are told together": ({"a": UP, "b": UP}, 30.0, False, {"a": 30.0, "b": 30.0}),
    "one that starts is told too": ({"a": BEGINS, "b": DONE}, 30.0, False, {"a": 30.0}),
    "a sidecar waits for those that it serves": ({"S": UP, "T": UP, "a": UP}, 30.0, False, {"a": 30.0}),
    "the last sidecar goes first": ({"S": UP, "T": UP, "a": DONE}, 20.0, False, {"T": 20.0}),
    "the first sidecar goes last": ({"S": UP, "T": DONE, "a": DONE}, 20.0, False, {"S": 20.0}),
    "nobody waits when the time is up": ({"S": UP, "T": UP, "a": UP}, 0.0, False, {"a": 0.0, "S": 2.0, "T": 2.0}),
    "by force all go at once": ({"S": UP, "a": UP}, 30.0, True, {"S": 0.0, "a": 0.0}),
    "nobody is left": ({"S": DONE, "a": DONE}, 30.0, False, {}),
}


@pytest.mark.parametrize(("views", "seconds", "force", "expected"), STOPS.values(), ids=list(STOPS))
def test_stopping(views: dict[str, View], seconds: float, force: bool, expected: dict[str, float]) -> None:
    assert pod_plan.stopping(spec(init="ST", main="ab"), views, grace_left=seconds, force=force) == expected


def test_restart_pause_grows_with_each_crash() -> None:
    due, pauses = 0.0, []
    for _ in range(8):
        pauses.append(crash_backoff.seconds_to_restart(due, ran=1.0))
        due = crash_backoff.next_backoff(due, ran=1.0)
    assert pauses == [0, 10, 20, 40, 80, 160, 300, 300]


def test_long_run_resets_the_restart_pause() -> None:
    assert crash_backoff.seconds_to_restart(300.0, ran=601.0) == 0
    assert crash_backoff.next_backoff(300.0, ran=601.0) == crash_backoff.INITIAL_SECONDS


PHASES: dict[str, tuple[KubeObject, dict[str, View], bool, str]] = {
    "nothing has run": (spec(), {"a": NEW}, False, "Pending"),
    "an init container runs": (spec(init="i"), {"i": UP, "a": NEW}, False, "Pending"),
    "one of two runs": (spec(main="ab"), {"a": UP, "b": NEW}, False, "Running"),
    "all have ended and one comes again": (spec("Always"), {"a": AGAIN}, False, "Running"),
    "all have ended but for a sidecar": (spec(init="S"), {"S": UP, "a": DONE}, False, "Running"),
    "all have succeeded": (spec(main="ab"), {"a": DONE, "b": DONE}, True, "Succeeded"),
    "one has failed": (spec(main="ab"), {"a": DONE, "b": BROKEN}, True, "Failed"),
    "a sidecar's exit code does not count": (spec(init="S"), {"S": BROKEN, "a": DONE}, True, "Succeeded"),
    "an init container has failed": (spec(init="i"), {"i": BROKEN, "a": NEW}, True, "Failed"),
}


@pytest.mark.parametrize(("wanted", "views", "finished", "phase"), PHASES.values(), ids=list(PHASES))
def test_phase(wanted: KubeObject, views: dict[str, View], finished: bool, phase: str) -> None:
    assert pod_status.pod_phase(wanted, views, finished=finished, failed=False) == phase


QUALITIES: dict[str, tuple[list[KubeObject], str]] = {
    "nothing is asked for": ([{}], "BestEffort"),
    "something is asked for": ([{"requests": {"cpu": "1"}}], "Burstable"),
    "all is limited": ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
    "less is asked for than the limit": (
        [{"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}],
        "Burstable",
    ),
    "one of two is limited": ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
}


@pytest.mark.parametrize(("resources", "quality"), QUALITIES.values(), ids=list(QUALITIES))
def test_quality_of_service(resources: list[KubeObject], quality: str) -> None:
    assert pod_status.qos_class({"containers": [{"resources": one} for one in resources]}) == quality
