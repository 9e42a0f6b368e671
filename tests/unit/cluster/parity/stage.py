"""A stage for Jobs and JobSets: scenarios are played on it, and what can be seen after each step is noted.

The same scenario runs against a real cluster (`record`) and against the embedded reconcilers (`test_parity`). No node
runs its pods: they name a scheduler that does not exist, and the scenario itself says what becomes of each. What
differs from run to run (times, uids, the random end of a pod's name) is not noted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import (
    EVENTS,
    JOBS,
    JOBSETS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    SERVICES,
    Object,
    Resource,
)
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.kube.client import Client

KINDS: Final = {each.kind: each for each in (JOBS, JOBSETS, PODS)}
HELD: Final = "parity.test/held"
"""A finalizer for the pods of a scenario that wants to see them while they terminate."""

_TIMES: Final = ("startTime", "completionTime", "lastTransitionTime", "lastProbeTime")
_FAILURES: Final = "batch.kubernetes.io/job-index-failure-count"
_IGNORED: Final = "batch.kubernetes.io/job-index-ignored-failure-count"
_MARKS: Final = re.compile(r"(jobset\.sigs\.k8s\.io|batch\.kubernetes\.io)/(?!.*(uid|job-key|created-by|priority))")
"""Labels and annotations that are the same in each run; ``priority`` comes from JobSet's webhook for pods."""


@dataclass(frozen=True)
class Stage:
    """A namespace of an API server with the controllers of Jobs and JobSets."""

    client: Client
    namespace: str

    def begin(self, objects: list[Object]) -> None:
        """Create the objects of a scenario."""
        for given in objects:
            obj = deepcopy(given)
            obj["metadata"]["namespace"] = self.namespace
            self.client.create(KINDS[obj["kind"]], obj)

    def do(self, step: list[Any]) -> None:
        """Take one step: a verb and what it needs."""
        verb, *rest = step
        getattr(self, f"_{verb}")(*rest)

    def see(self) -> Object:
        """Return what there is: the Jobs and JobSets with their status, and the pods."""
        pods = self._list(PODS)
        names = {pod["metadata"]["name"]: _plain(pod) for pod in pods}

        def told(obj: Object) -> Object:
            return {"suspend": bool(obj["spec"].get("suspend")), "status": _said(obj.get("status") or {}, names)}

        seen: Object = {
            "jobs": {job["metadata"]["name"]: told(job) for job in self._list(JOBS)},
            "pods": sorted((_pod(pod) for pod in pods), key=lambda pod: sorted(map(str, pod.items()))),
        }
        jobsets = self._list(JOBSETS)
        if jobsets:
            seen["jobsets"] = {each["metadata"]["name"]: told(each) for each in jobsets}
            seen["services"] = sorted(each["metadata"]["name"] for each in self._list(SERVICES))
        claims = self._list(PERSISTENTVOLUMECLAIMS)
        if claims:
            seen["claims"] = {claim["metadata"]["name"]: _claim(claim) for claim in claims}
        text = _without(seen, self.namespace)
        assert isinstance(text, dict)
        return text

    def marks(self) -> Object:
        """Return the labels and annotations that the Jobs and pods carry by now, and the names of the pods."""
        jobs = {f"Job {job['metadata']['name']}": _marks(job) for job in self._list(JOBS)}
        return {**jobs, **{f"Pod {_plain(pod)}": _pod_marks(pod) for pod in self._list(PODS)}}

    def events(self) -> list[str]:
        """Return every event about Jobs and JobSets, each once."""
        found = set()
        for event in self._list(EVENTS):
            about = event["involvedObject"]
            if about["kind"] in KINDS and about["kind"] != PODS.kind:
                message = re.sub(r"([Pp]od:? [a-z0-9/-]+-)[a-z0-9]{5}\b", r"\1*", event["message"])
                if "already exists" in message:  # a look at what an informer did not know yet
                    continue
                found.add(f"{about['kind']} {about['name']}: {event['type']} {event['reason']}: {message}")
        return sorted(str(_without(line, self.namespace)) for line in found)

    def free(self) -> None:
        """Let no pod be held any more, so that the namespace can go."""
        for pod in self._list(PODS):
            if HELD in (pod["metadata"].get("finalizers") or ()):
                patch = {"metadata": {"finalizers": [each for each in pod["metadata"]["finalizers"] if each != HELD]}}
                self.client.patch(PODS, pod["metadata"]["name"], patch, namespace=self.namespace)

    def _run(self, prefix: str) -> None:
        """Let the active pod of that name run, and be ready."""
        running = {"running": {"startedAt": timestamp()}}
        self._set(self._pod_of(prefix), phase="Running", state=running, ready=True)

    def _end(self, prefix: str, code: int, more: Object | None = None) -> None:
        """End the active pod of that name; long ago, so that no pause is to be waited for."""
        long_ago = timestamp(time.time() - 7200)
        state = {"terminated": {"exitCode": code, "startedAt": long_ago, "finishedAt": long_ago, "reason": "Ended"}}
        self._set(self._pod_of(prefix), phase="Failed" if code else "Succeeded", state=state, more=more)

    def _end_deleted(self, prefix: str, code: int) -> None:
        """End the pod of that name that is being deleted."""
        long_ago = timestamp(time.time() - 7200)
        state = {"terminated": {"exitCode": code, "startedAt": long_ago, "finishedAt": long_ago, "reason": "Ended"}}
        self._set(self._pod_of(prefix, deleted=True), phase="Failed" if code else "Succeeded", state=state)

    def _restart(self, prefix: str, count: int) -> None:
        """Say that the container of a pod has been restarted so many times."""
        running = {"running": {"startedAt": timestamp()}}
        self._set(self._pod_of(prefix), phase="Running", state=running, ready=True, restarts=count)

    def _delete(self, kind: str, name: str) -> None:
        """Delete an object; a pod is named by the beginning of its name."""
        if kind == PODS.kind:
            name = self._pod_of(name)["metadata"]["name"]
        self.client.delete(KINDS[kind], name, namespace=self.namespace, propagation="Background")

    def _release(self, prefix: str) -> None:
        """Let the held pods of that name go."""
        for pod in self._list(PODS):
            held = pod["metadata"].get("finalizers") or []
            if pod["metadata"]["name"].startswith(prefix) and HELD in held and _deleting(pod):
                patch = {"metadata": {"finalizers": [each for each in held if each != HELD]}}
                self.client.patch(PODS, pod["metadata"]["name"], patch, namespace=self.namespace)

    def _patch(self, kind: str, name: str, patch: Object) -> None:
        self.client.patch(KINDS[kind], name, patch, namespace=self.namespace)

    def _await(self, kind: str, name: str, condition: str) -> None:
        """Wait for time to bring a condition about, or the end ("gone") of an object."""

        def come() -> bool:
            obj = self.client.find(KINDS[kind], name, namespace=self.namespace)
            if condition == "gone" or obj is None:
                return obj is None
            held = (obj.get("status") or {}).get("conditions") or []
            return any(one["type"] == condition and one["status"] == "True" for one in held)

        until(come, f"{kind} {name}: {condition}")

    def _pod_of(self, prefix: str, *, deleted: bool = False) -> Object:
        def found() -> list[Object]:
            return [
                pod
                for pod in self._list(PODS)
                if _plain(pod) == prefix
                and pod["status"]["phase"] in {"Pending", "Running"}
                and _deleting(pod) is deleted
            ]

        pods: list[Object] = until(found, f"an active pod {prefix}")
        return pods[0]

    def _set(
        self,
        pod: Object,
        *,
        phase: str,
        state: Object,
        ready: bool = False,
        restarts: int = 0,
        more: Object | None = None,
    ) -> None:
        container = {
            "name": pod["spec"]["containers"][0]["name"],
            "image": "none",
            "imageID": "none",
            "ready": ready,
            "restartCount": restarts,
            "state": state,
        }
        conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp(time.time() - 7200)}]
        conditions += [more] if more else []
        status = {"phase": phase, "containerStatuses": [container], "conditions": conditions}
        name = pod["metadata"]["name"]
        self.client.patch(PODS, name, {"status": status}, namespace=self.namespace, subresource="status")

    def _list(self, resource: Resource) -> list[Object]:
        try:
            return self.client.list(resource, namespace=self.namespace).items
        except errors.NotFound:
            return []


def until(found: Callable[[], Any], what: str, *, timeout: float = 15.0) -> Any:
    """Return what `found` returns as soon as that is true."""
    deadline = time.monotonic() + timeout
    while not (result := found()):
        assert time.monotonic() < deadline, f"still waiting for {what} after {timeout:.0f} s"
        time.sleep(0.01)
    return result


def _plain(pod: Object) -> str:
    """Return a pod's name without its random end."""
    name: str = pod["metadata"]["name"]
    return name[:-6]


def _deleting(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _pod(pod: Object) -> Object:
    seen: Object = {"name": _plain(pod), "phase": pod["status"]["phase"]}
    if _deleting(pod):
        seen["deleting"] = True
    annotations = pod["metadata"].get("annotations") or {}
    for name, key in (("failures", _FAILURES), ("ignored", _IGNORED)):
        if key in annotations:
            seen[name] = annotations[key]
    return seen


def _claim(claim: Object) -> Object:
    metadata = claim["metadata"]
    owners = [(owner["kind"], owner["name"]) for owner in metadata.get("ownerReferences") or ()]
    return {"labels": metadata.get("labels") or {}, "owners": [list(owner) for owner in owners]}


def _marks(obj: Object) -> Object:
    metadata = obj["metadata"]
    return {
        name: {key: value for key, value in (metadata.get(name) or {}).items() if _MARKS.match(key)}
        for name in ("labels", "annotations")
    }


def _pod_marks(pod: Object) -> Object:
    spec = pod["spec"]
    volumes = [volume for volume in spec.get("volumes") or () if "kube-api-access" not in volume["name"]]
    names = {name: spec.get(name) for name in ("hostname", "subdomain")}
    return {**_marks(pod), **names, "volumes": volumes}


def _said(value: Any, names: dict[str, str]) -> Any:
    """Return a status without times, and with the random end of pods' names left out."""
    if isinstance(value, dict):
        return {name: "time" if name in _TIMES else _said(inner, names) for name, inner in value.items()}
    if isinstance(value, list):
        return [_said(inner, names) for inner in value]
    if isinstance(value, str):
        for name, plain in names.items():
            value = value.replace(name, f"{plain}-*")
    return value


def _without(value: Any, namespace: str) -> Any:
    if isinstance(value, dict):
        return {name: _without(inner, namespace) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, namespace) for inner in value]
    return value.replace(f"{namespace}/", "NS/") if isinstance(value, str) else value


def parts(scenario: Object) -> Iterator[tuple[int, list[Any] | None]]:
    """Yield the steps of a scenario with their numbers; the first, without a step, is its beginning."""
    yield 0, None
    yield from enumerate(scenario["steps"], 1)
