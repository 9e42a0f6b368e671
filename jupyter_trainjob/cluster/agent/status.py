"""A pod's status as kubelet writes it: pure functions from what happened to the document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import network


@dataclass(frozen=True, slots=True)
class Extra:
    """A further condition of the pod, which is true."""

    type: str
    reason: str
    message: str


def waiting(pod: Object, *, reason: str, message: str, now: str) -> Object:
    """Return the status of a pod whose program cannot start yet."""
    state: Object = {"waiting": {"reason": reason, "message": message} if message else {"reason": reason}}
    status = _common(pod, phase="Pending", state=state, ready=False, now=now)
    names = ", ".join(container["name"] for container in pod["spec"]["containers"])
    return _with_conditions(pod, status, now, "ContainersNotReady", f"containers with unready status: [{names}]")


def running(pod: Object, *, started: str, now: str, extra: Extra | None = None) -> Object:
    """Return the status of a pod whose program runs."""
    status = _common(pod, phase="Running", state={"running": {"startedAt": whole(started)}}, ready=True, now=now)
    return _with_conditions(pod, status, now, "", "", extra=extra)


def ended(pod: Object, *, end: dict[str, Any], message: str, now: str) -> Object:
    """Return the status of a pod whose program ended with `end`, the shim's ``exit.json``."""
    code = int(end["code"])
    reason = end.get("reason") or ("Completed" if code == 0 else "Error")
    terminated: Object = {
        "exitCode": code,
        "reason": reason,
        "startedAt": whole(end["started"]),
        "finishedAt": whole(end["finished"]),
        "containerID": container_id(pod),
    }
    if end.get("signal"):
        terminated["signal"] = end["signal"]
    if text := end.get("message") or message:
        terminated["message"] = text
    phase = "Succeeded" if code == 0 else "Failed"
    status = _common(pod, phase=phase, state={"terminated": terminated}, ready=False, now=now)
    return _with_conditions(pod, status, now, "PodCompleted" if code == 0 else "PodFailed", "")


def failed(pod: Object, *, reason: str, message: str, now: str, end: dict[str, Any] | None = None) -> Object:
    """Return the status of a pod that this node gives up: refused, or its shim lost (then with an `end`)."""
    if end is not None:
        status = ended(pod, end=end, message=message, now=now)
    else:
        state = {"waiting": {"reason": reason, "message": message}}
        status = _common(pod, phase="Failed", state=state, ready=False, now=now)
        status = _with_conditions(pod, status, now, "PodFailed", "")
    return status | {"reason": reason, "message": message}


def container_id(pod: Object) -> str:
    """Return the id of the pod's container."""
    return f"jupyter-trainjob://{pod['metadata']['uid']}"


def now() -> str:
    """Return the time as Kubernetes' metav1.Time writes it."""
    return times.timestamp()


def whole(stamp: str) -> str:
    """Return an RFC 3339 time without its fraction of a second."""
    return stamp.partition(".")[0].rstrip("Z") + "Z"


def _common(pod: Object, *, phase: str, state: Object, ready: bool, now: str) -> Object:
    address = network.address(pod["metadata"]["namespace"], network.qualified(pod))
    return {
        "phase": phase,
        "hostIP": network.HOST_IP,
        "hostIPs": [{"ip": network.HOST_IP}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": (pod.get("status") or {}).get("startTime") or now,
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container.get("image", ""),
                "imageID": "",
                "containerID": "" if "waiting" in state else container_id(pod),
                "ready": ready,
                "started": ready,
                "restartCount": 0,
                "state": state,
                "lastState": {},
            }
            for container in pod["spec"]["containers"]
        ],
    }


def _with_conditions(
    pod: Object, status: Object, now: str, reason: str, message: str, *, extra: Extra | None = None
) -> Object:
    ready = status["phase"] == "Running"
    wanted = [
        _condition("Initialized", True, "PodCompleted" if reason == "PodCompleted" else "", ""),
        _condition("Ready", ready, reason, message),
        _condition("ContainersReady", ready, reason, message),
    ]
    if extra is not None:
        wanted.append(_condition(extra.type, True, extra.reason, extra.message))
    found = list((pod.get("status") or {}).get("conditions") or ())
    for condition in wanted:
        found = conditions.set(found, condition, now)
    return status | {"conditions": found}


def _condition(name: str, value: bool, reason: str, message: str) -> Object:
    condition: Object = {"type": name, "status": "True" if value else "False"}
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition
