"""Decide the next actions for a pod: kubelet's rules as pure functions of its containers' states.

In: the pod's spec and a `View` of each container. Out: a `Plan`: which containers start now or later, and whether the
pod is over. Init containers run one after the other until they succeed; those with restartPolicy Always (sidecars) only
have to start, and keep running. `stopping` decides how running containers are stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.pods.crash_backoff import seconds_to_restart

START_ERROR = "StartError"
ALWAYS, ON_FAILURE, NEVER = "Always", "OnFailure", "Never"
MIN_GRACE_SECONDS = 2.0
"""Seconds for a sidecar if the other containers have used up the grace period."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Reason and message of a container's ``waiting`` state."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """How a run of a container ended; `at` is in Unix seconds, `ran` its duration in seconds."""

    code: int
    reason: str
    document: KubeObject
    """The state ``terminated``."""
    at: float
    ran: float


@dataclass(frozen=True, slots=True)
class View:
    """The observed state of a container: its newest run, and the end of the previous one."""

    attempt: int = 0
    running: str = ""
    """Start time (RFC 3339) of a running container."""
    ready: bool = False
    starting: bool = False
    end: End | None = None
    last: End | None = None
    due: float = 0.0
    """The back-off that follows this run, see `crash_backoff`."""
    problem: Problem | None = None

    @property
    def alive(self) -> bool:
        """Return whether the program runs or may start at any moment."""
        return bool(self.running) or self.starting


@dataclass(frozen=True, slots=True)
class Plan:
    """The next actions for a pod."""

    start: list[str] = field(default_factory=list)
    later: dict[str, float] = field(default_factory=dict)
    """Seconds until the restart of a container, by name."""
    finished: bool = False
    """Whether no container will start again; sidecars are stopped then."""


def is_sidecar(container: KubeObject) -> bool:
    """Return whether an init container is a sidecar (restartPolicy Always)."""
    return container.get("restartPolicy") == ALWAYS


def is_restarted(container: KubeObject, pod_policy: str, end: End, *, init: bool) -> bool:
    """Return whether a container is restarted after this end."""
    policy = container.get("restartPolicy") or pod_policy
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = end.code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and listed is (codes.get("operator") == "In"):
            return True
    if policy == ALWAYS:
        return not init or is_sidecar(container) or end.code != 0
    return policy == ON_FAILURE and end.code != 0


def decide(spec: KubeObject, views: Mapping[str, View], now: float) -> Plan:
    """Return the plan for a pod that is not being stopped; `now` is in Unix seconds."""
    policy = spec.get("restartPolicy") or ALWAYS
    start: list[str] = []
    later: dict[str, float] = {}

    def goes_on(container: KubeObject, *, init: bool) -> bool:
        """Plan a container; return False if it has ended for good."""
        name, view = container["name"], views[container["name"]]
        if view.end is None:
            start.extend([] if view.alive else [name])
            return True
        if not is_restarted(container, policy, view.end, init=init):
            return False
        wait = view.end.at + seconds_to_restart(view.due, view.end.ran) - now
        if wait > 0:
            later[name] = wait
        else:
            start.append(name)
        return True

    for container in spec.get("initContainers") or ():
        unfinished, done = goes_on(container, init=True), is_done(container, views[container["name"]])
        if not done:
            return Plan(start, later) if unfinished else Plan(finished=True)
    going_on = [goes_on(container, init=False) for container in spec["containers"]]
    return Plan(start, later) if any(going_on) else Plan(finished=True)


def is_done(container: KubeObject, view: View) -> bool:
    """Return whether an init container has succeeded or, if a sidecar, started."""
    if not is_sidecar(container):
        return view.end is not None and view.end.code == 0
    return bool(view.running) or view.last is not None or (view.end is not None and view.end.reason != START_ERROR)


def is_initialized(spec: KubeObject, views: Mapping[str, View]) -> bool:
    """Return whether all init containers are done."""
    return not list(incomplete_init_containers(spec, views))


def incomplete_init_containers(spec: KubeObject, views: Mapping[str, View]) -> Iterator[str]:
    """Yield the names of the init containers that are not done."""
    for container in spec.get("initContainers") or ():
        if not is_done(container, views[container["name"]]):
            yield container["name"]


def stopping(spec: KubeObject, views: Mapping[str, View], *, grace_left: float, force: bool) -> dict[str, float]:
    """Return the containers to stop now, with their grace period in seconds; `grace_left` is that of the pod.

    Sidecars are stopped after the other containers, in reverse order of their start; after the grace period of the pod,
    all at once.
    """
    alive = [name for name, view in views.items() if view.alive]
    if force:
        return dict.fromkeys(alive, 0.0)
    sidecars = [one["name"] for one in spec.get("initContainers") or () if is_sidecar(one) and one["name"] in alive]
    others = [name for name in alive if name not in sidecars]
    if grace_left <= 0:
        return {**dict.fromkeys(others, 0.0), **dict.fromkeys(sidecars, MIN_GRACE_SECONDS)}
    return dict.fromkeys(others or sidecars[-1:], grace_left)
