"""What to do next for a pod: the rules of kubelet, as pure functions of what its containers are seen to do.

In: the pod's spec and a `View` of each container. Out: a `Plan`: which containers start now, which ones later, and
whether the pod is over. Init containers run one after the other, each to its success; those with restartPolicy Always
(sidecars) only have to start, and run on beside the others. How running containers are stopped is in `stopping`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent.backoff import pause

START_ERROR = "StartError"
ALWAYS, ON_FAILURE, NEVER = "Always", "OnFailure", "Never"
MINIMUM_GRACE = 2.0
"""What a sidecar gets when those before it have used up the grace of the pod."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a container does not run, as its state ``waiting`` says it."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """How a run of a container ended, and when, in seconds of the clock."""

    code: int
    reason: str
    document: Object
    """The state ``terminated``."""
    at: float
    ran: float


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of one container: its newest run, and the one before."""

    attempt: int = 0
    running: str = ""
    """Since when it runs."""
    ready: bool = False
    starting: bool = False
    end: End | None = None
    last: End | None = None
    due: float = 0.0
    """The back-off that follows this run, see `backoff`."""
    problem: Problem | None = None

    @property
    def alive(self) -> bool:
        """Return whether there is, or may be at any moment, a program."""
        return bool(self.running) or self.starting


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for a pod."""

    start: list[str] = field(default_factory=list)
    later: dict[str, float] = field(default_factory=dict)
    """Containers that are started again, and in how many seconds."""
    over: bool = False
    """Nothing will be started any more, but for sidecars, which end now."""


def is_sidecar(container: Object) -> bool:
    """Return whether an init container runs beside the others."""
    return container.get("restartPolicy") == ALWAYS


def restarts(container: Object, pod_policy: str, end: End, *, init: bool) -> bool:
    """Return whether a container that ended so is started again."""
    policy = container.get("restartPolicy") or pod_policy
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = end.code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and listed is (codes.get("operator") == "In"):
            return True
    if policy == ALWAYS:
        return not init or is_sidecar(container) or end.code != 0
    return policy == ON_FAILURE and end.code != 0


def decide(spec: Object, views: Mapping[str, View], now: float) -> Plan:
    """Return what to do for a pod that nobody has asked to end."""
    policy = spec.get("restartPolicy") or ALWAYS
    start: list[str] = []
    later: dict[str, float] = {}

    def goes_on(container: Object, *, init: bool) -> bool:
        """Plan what is to be done with a container; False: it has ended and stays so."""
        name, view = container["name"], views[container["name"]]
        if view.end is None:
            start.extend([] if view.alive else [name])
            return True
        if not restarts(container, policy, view.end, init=init):
            return False
        wait = view.end.at + pause(view.due, view.end.ran) - now
        if wait > 0:
            later[name] = wait
        else:
            start.append(name)
        return True

    for container in spec.get("initContainers") or ():
        unfinished, done = goes_on(container, init=True), is_done(container, views[container["name"]])
        if not done:
            return Plan(start, later) if unfinished else Plan(over=True)
    going_on = [goes_on(container, init=False) for container in spec["containers"]]
    return Plan(start, later) if any(going_on) else Plan(over=True)


def is_done(container: Object, view: View) -> bool:
    """Return whether an init container has done what those after it wait for; a sidecar only has to have started."""
    if not is_sidecar(container):
        return view.end is not None and view.end.code == 0
    return bool(view.running) or view.last is not None or (view.end is not None and view.end.reason != START_ERROR)


def initialized(spec: Object, views: Mapping[str, View]) -> bool:
    """Return whether all init containers have done what they had to do."""
    return not list(incomplete(spec, views))


def incomplete(spec: Object, views: Mapping[str, View]) -> Iterator[str]:
    """Yield the init containers that have not done what they had to do."""
    for container in spec.get("initContainers") or ():
        if not is_done(container, views[container["name"]]):
            yield container["name"]


def stopping(spec: Object, views: Mapping[str, View], *, left: float, force: bool) -> dict[str, float]:
    """Return the containers that are to be told to end now, with the seconds that they get; `left` has the pod.

    Sidecars end after those that they serve, in the reverse of the order in which they started; when the pod's time is
    up they are not waited for.
    """
    alive = [name for name, view in views.items() if view.alive]
    if force:
        return dict.fromkeys(alive, 0.0)
    sidecars = [one["name"] for one in spec.get("initContainers") or () if is_sidecar(one) and one["name"] in alive]
    others = [name for name in alive if name not in sidecars]
    if left <= 0:
        return {**dict.fromkeys(others, 0.0), **dict.fromkeys(sidecars, MINIMUM_GRACE)}
    return dict.fromkeys(others or sidecars[-1:], left)
