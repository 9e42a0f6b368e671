"""A pod's status as kubelet writes it: pure functions from what its containers are seen to do to the document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import network, plan
from jupyter_trainjob.cluster.agent.plan import View, is_sidecar
from jupyter_trainjob.cluster.agent.run import MACHINE_RESTARTED, SHIM_LOST

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"


@dataclass(frozen=True, slots=True)
class Extra:
    """A further condition of the pod, which is true."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the node ended a pod before its containers had ended by themselves."""

    reason: str
    message: str


_STARTING = ("ContainerCreating", "PodInitializing")
DEADLINE = Verdict("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


def of_pod(
    pod: Object,
    views: Mapping[str, View],
    *,
    now: str,
    over: bool = False,
    verdict: Verdict | None = None,
    extra: Iterable[Extra] = (),
) -> Object:
    """Return the status of `pod`. `over`: nothing runs any more, nor will; `verdict`: the pod failed for this."""
    spec, before = pod["spec"], pod.get("status") or {}
    address = network.address(pod["metadata"]["namespace"], network.qualified(pod))
    current = phase(spec, views, over=over, failed=verdict is not None)
    init = spec.get("initContainers") or ()
    status: Object = {
        "phase": current,
        "hostIP": network.HOST_IP,
        "hostIPs": [{"ip": network.HOST_IP}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": before.get("startTime") or now,
        "qosClass": before.get("qosClass") or qos_class(spec),
        "containerStatuses": _containers(pod, spec["containers"], views),
    }
    if init:
        status["initContainerStatuses"] = _containers(pod, init, views)
    lost = _lost(spec, views) if current == FAILED else None
    verdict = verdict or lost
    if verdict is not None and current == FAILED:
        # kubectl shows what a container waits for rather than the reason of its pod.
        for one in (*status["containerStatuses"], *status.get("initContainerStatuses", ())):
            if one["state"].get("waiting", {}).get("reason") in _STARTING:
                one["state"] = {"waiting": {"reason": verdict.reason, "message": verdict.message}}
    if verdict is not None:
        status |= {"reason": verdict.reason, "message": verdict.message}
    wanted = [*_conditions(spec, views, current), *(_condition(one.type, one.reason, one.message) for one in extra)]
    if lost is not None and lost.reason == MACHINE_RESTARTED:
        wanted.append(_condition("DisruptionTarget", lost.reason, lost.message))
    found = list(before.get("conditions") or ())
    for condition in wanted:
        found = conditions.set(found, condition, now)
    return status | {"conditions": found}


def is_only_starting(status: Object) -> bool:
    """Return whether a status says no more than that the pod's first program is about to run."""
    first = (status.get("initContainerStatuses") or status["containerStatuses"])[0]["state"]
    return status["phase"] == PENDING and "message" not in first.get("waiting", {"message": ""})


def phase(spec: Object, views: Mapping[str, View], *, over: bool, failed: bool) -> str:
    """Return the phase of a pod; it does not end before its last container has."""
    mains = [views[one["name"]] for one in spec["containers"]]
    if over:
        init = [views[one["name"]] for one in spec.get("initContainers") or () if not is_sidecar(one)]
        good = all(view.end is not None and view.end.code == 0 for view in (*init, *mains))
        return SUCCEEDED if good and not failed else FAILED
    return RUNNING if any(view.running or view.end or view.last for view in mains) else PENDING


def qos_class(spec: Object) -> str:
    """Return the quality of service that the requests and limits of a pod make."""
    everything = [one.get("resources") or {} for one in (*(spec.get("initContainers") or ()), *spec["containers"])]
    limits = [{key: one[key] for key in ("cpu", "memory") if key in one} for one in _all(everything, "limits")]
    requests = [{key: one[key] for key in ("cpu", "memory") if key in one} for one in _all(everything, "requests")]
    if not any(limits) and not any(requests):
        return "BestEffort"
    full = all(
        len(limit) == 2 and {**limit, **request} == limit for limit, request in zip(limits, requests, strict=True)
    )
    return "Guaranteed" if full else "Burstable"


def container_id(pod: Object, name: str, attempt: int) -> str:
    """Return the id of a run of a container."""
    return f"jupyter-trainjob://{pod['metadata']['uid']}/{name}/{attempt}"


def now() -> str:
    """Return the time as Kubernetes' metav1.Time writes it."""
    return times.timestamp()


def whole(stamp: str) -> str:
    """Return an RFC 3339 time without its fraction of a second."""
    return stamp.partition(".")[0].rstrip("Z") + "Z"


def _all(resources: Sequence[Object], key: str) -> list[Object]:
    return [one.get(key) or {} for one in resources]


def _containers(pod: Object, containers: Iterable[Object], views: Mapping[str, View]) -> list[Object]:
    return [_container(pod, one, views[one["name"]], views) for one in containers]


def _container(pod: Object, container: Object, view: View, views: Mapping[str, View]) -> Object:
    name, attempt, last = container["name"], view.attempt, view.last
    init = container in (pod["spec"].get("initContainers") or ())
    if view.end is None and not view.running and last is not None and view.problem is None:
        # Until a container has been started again, it is the one that ended.
        view, attempt, last = View(attempt=attempt - 1, end=last), attempt - 1, None
    done = init and not is_sidecar(container) and view.end is not None and view.end.code == 0
    state = _state(pod, view, views)
    if view.problem is not None and view.end is not None:
        last = view.end
    id_ = container_id(pod, name, attempt) if view.running or view.end is not None else ""
    return {
        "name": name,
        "image": container.get("image", ""),
        "imageID": "",
        "containerID": id_,
        "ready": done or (bool(view.running) and view.ready),
        "started": bool(view.running),
        "restartCount": attempt,
        "state": state,
        "lastState": {"terminated": last.document} if last is not None else {},
    }


def _state(pod: Object, view: View, views: Mapping[str, View]) -> Object:
    if view.running:
        return {"running": {"startedAt": whole(view.running)}}
    problem = view.problem
    if problem is None and view.end is not None:
        return {"terminated": view.end.document}
    if problem is not None:
        waiting = {"reason": problem.reason}
        return {"waiting": {**waiting, "message": problem.message} if problem.message else waiting}
    initializing = bool(pod["spec"].get("initContainers")) and not plan.initialized(pod["spec"], views)
    return {"waiting": {"reason": "PodInitializing" if initializing else "ContainerCreating"}}


def _conditions(spec: Object, views: Mapping[str, View], current: str) -> list[Object]:
    ended = {SUCCEEDED: "PodCompleted", FAILED: "PodFailed"}.get(current, "")
    missing = " ".join(plan.incomplete(spec, views))
    unready = " ".join(
        one["name"]
        for one in (*filter(is_sidecar, spec.get("initContainers") or ()), *spec["containers"])
        if not (views[one["name"]].running and views[one["name"]].ready)
    )
    if ended:
        place = _condition("PodReadyToStartContainers", "PodSandboxNotReady", "pod sandbox is not ready", value=False)
    else:
        place = _condition("PodReadyToStartContainers", value=any(view != View() for view in views.values()))
    if missing:
        message = f"containers with incomplete status: [{missing}]"
        initialized = _condition("Initialized", "ContainersNotInitialized", message, value=False)
    else:
        initialized = _condition("Initialized", ended if current == SUCCEEDED else "")
    if ended:
        ready = [_condition(name, ended, value=False) for name in ("Ready", "ContainersReady")]
    elif unready or missing:
        message = f"containers with unready status: [{unready}]"
        ready = [_condition(one, "ContainersNotReady", message, value=False) for one in ("Ready", "ContainersReady")]
    else:
        ready = [_condition(name) for name in ("Ready", "ContainersReady")]
    return [place, initialized, *ready]


def _lost(spec: Object, views: Mapping[str, View]) -> Verdict | None:
    """Return why the pod failed where none of its programs is to blame."""
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        end = views[container["name"]].end
        if end is not None and end.reason in (SHIM_LOST, MACHINE_RESTARTED):
            return Verdict(end.reason, str(end.document.get("message", "")))
    return None


def _condition(name: str, reason: str = "", message: str = "", *, value: bool = True) -> Object:
    condition: Object = {"type": name, "status": "True" if value else "False"}
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition
