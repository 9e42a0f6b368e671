"""Compute a pod's status, as kubelet does, from the observed states of its containers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent import network
from jupyter_trainjob.cluster.agent.containers.container_run import MACHINE_RESTARTED, SHIM_LOST
from jupyter_trainjob.cluster.agent.pod_condition import PodCondition
from jupyter_trainjob.cluster.agent.pods import pod_plan
from jupyter_trainjob.cluster.agent.pods.pod_plan import View, is_sidecar

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"


@dataclass(frozen=True, slots=True)
class Termination:
    """Why the agent ended a pod before its containers ended by themselves."""

    reason: str
    message: str


_STARTING = ("ContainerCreating", "PodInitializing")
DEADLINE = Termination("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


def pod_status(
    pod: KubeObject,
    views: Mapping[str, View],
    *,
    now: str,
    finished: bool = False,
    verdict: Termination | None = None,
    extra: Iterable[PodCondition] = (),
) -> KubeObject:
    """Return the status of `pod`. `finished`: all containers have ended for good; `verdict`: why the agent ended it."""
    spec, before = pod["spec"], pod.get("status") or {}
    address = network.pod_address(pod["metadata"]["namespace"], network.qualified_name(pod))
    current = pod_phase(spec, views, finished=finished, failed=verdict is not None)
    init = spec.get("initContainers") or ()
    status: KubeObject = {
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
    lost = _lost_termination(spec, views) if current == FAILED else None
    verdict = verdict or lost
    if verdict is not None and current == FAILED:
        # kubectl shows the waiting reason of a container instead of the pod's reason.
        for one in (*status["containerStatuses"], *status.get("initContainerStatuses", ())):
            if one["state"].get("waiting", {}).get("reason") in _STARTING:
                one["state"] = {"waiting": {"reason": verdict.reason, "message": verdict.message}}
    if verdict is not None:
        status |= {"reason": verdict.reason, "message": verdict.message}
    wanted = [*_conditions(spec, views, current), *(_condition(one.type, one.reason, one.message) for one in extra)]
    if lost is not None and lost.reason == MACHINE_RESTARTED:
        wanted.append(_condition("DisruptionTarget", lost.reason, lost.message))
    pod_conditions = list(before.get("conditions") or ())
    for condition in wanted:
        pod_conditions = conditions.set_condition(pod_conditions, condition, now)
    return status | {"conditions": pod_conditions}


def is_only_starting(status: KubeObject) -> bool:
    """Return whether a status only shows that the first container is being created."""
    first = (status.get("initContainerStatuses") or status["containerStatuses"])[0]["state"]
    return status["phase"] == PENDING and "message" not in first.get("waiting", {"message": ""})


def pod_phase(spec: KubeObject, views: Mapping[str, View], *, finished: bool, failed: bool) -> str:
    """Return the phase of a pod, which is final only after its last container has ended."""
    mains = [views[one["name"]] for one in spec["containers"]]
    if finished:
        init = [views[one["name"]] for one in spec.get("initContainers") or () if not is_sidecar(one)]
        good = all(view.end is not None and view.end.code == 0 for view in (*init, *mains))
        return SUCCEEDED if good and not failed else FAILED
    return RUNNING if any(view.running or view.end or view.last for view in mains) else PENDING


def qos_class(spec: KubeObject) -> str:
    """Return the QoS class of a pod, from its requests and limits."""
    everything = [one.get("resources") or {} for one in (*(spec.get("initContainers") or ()), *spec["containers"])]
    limits = [{key: one[key] for key in ("cpu", "memory") if key in one} for one in _field_of_all(everything, "limits")]
    requests = [
        {key: one[key] for key in ("cpu", "memory") if key in one} for one in _field_of_all(everything, "requests")
    ]
    if not any(limits) and not any(requests):
        return "BestEffort"
    full = all(
        len(limit) == 2 and {**limit, **request} == limit for limit, request in zip(limits, requests, strict=True)
    )
    return "Guaranteed" if full else "Burstable"


def container_id(pod: KubeObject, name: str, attempt: int) -> str:
    """Return the container ID of a run."""
    return f"jupyter-trainjob://{pod['metadata']['uid']}/{name}/{attempt}"


def whole_seconds(stamp: str) -> str:
    """Return an RFC 3339 time without fractional seconds.

    >>> whole_seconds("2026-01-02T03:04:05.678Z")
    '2026-01-02T03:04:05Z'
    """
    return stamp.partition(".")[0].rstrip("Z") + "Z"


def _field_of_all(resources: Sequence[KubeObject], key: str) -> list[KubeObject]:
    return [one.get(key) or {} for one in resources]


def _containers(pod: KubeObject, containers: Iterable[KubeObject], views: Mapping[str, View]) -> list[KubeObject]:
    return [_container(pod, one, views[one["name"]], views) for one in containers]


def _container(pod: KubeObject, container: KubeObject, view: View, views: Mapping[str, View]) -> KubeObject:
    name, attempt, last = container["name"], view.attempt, view.last
    init = container in (pod["spec"].get("initContainers") or ())
    if view.end is None and not view.running and last is not None and view.problem is None:
        # Until a container has restarted, its status is that of the ended run.
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


def _state(pod: KubeObject, view: View, views: Mapping[str, View]) -> KubeObject:
    if view.running:
        return {"running": {"startedAt": whole_seconds(view.running)}}
    problem = view.problem
    if problem is None and view.end is not None:
        return {"terminated": view.end.document}
    if problem is not None:
        waiting = {"reason": problem.reason}
        return {"waiting": {**waiting, "message": problem.message} if problem.message else waiting}
    initializing = bool(pod["spec"].get("initContainers")) and not pod_plan.is_initialized(pod["spec"], views)
    return {"waiting": {"reason": "PodInitializing" if initializing else "ContainerCreating"}}


def _conditions(spec: KubeObject, views: Mapping[str, View], current: str) -> list[KubeObject]:
    ended = {SUCCEEDED: "PodCompleted", FAILED: "PodFailed"}.get(current, "")
    missing = " ".join(pod_plan.incomplete_init_containers(spec, views))
    unready = " ".join(
        one["name"]
        for one in (*filter(is_sidecar, spec.get("initContainers") or ()), *spec["containers"])
        if not (views[one["name"]].running and views[one["name"]].ready)
    )
    if ended:
        sandbox_ready = _condition(
            "PodReadyToStartContainers", "PodSandboxNotReady", "pod sandbox is not ready", value=False
        )
    else:
        sandbox_ready = _condition("PodReadyToStartContainers", value=any(view != View() for view in views.values()))
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
    return [sandbox_ready, initialized, *ready]


def _lost_termination(spec: KubeObject, views: Mapping[str, View]) -> Termination | None:
    """Return why the pod failed if its exit status was lost."""
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        end = views[container["name"]].end
        if end is not None and end.reason in (SHIM_LOST, MACHINE_RESTARTED):
            return Termination(end.reason, str(end.document.get("message", "")))
    return None


def _condition(name: str, reason: str = "", message: str = "", *, value: bool = True) -> KubeObject:
    condition: KubeObject = {"type": name, "status": "True" if value else "False"}
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition
