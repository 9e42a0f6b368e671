"""A stage for Jobs and JobSets: it plays scenarios and records the visible state after each step.

The same scenario runs against a real cluster (`record`) and against the embedded reconcilers (`test_parity`). No node
runs its pods: they name a scheduler that does not exist, and the scenario itself says what becomes of each. What
differs from run to run (times, uids, the random end of a pod's name) is not noted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
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
    KubeObject,
    Resource,
)
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.kube.client import Client
from tests.waiting import wait_for

KINDS: Final = {resource.kind: resource for resource in (JOBS, JOBSETS, PODS)}
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

    def begin(self, objects: list[KubeObject]) -> None:
        """Create the objects of a scenario."""
        for manifest in objects:
            obj = deepcopy(manifest)
            obj["metadata"]["namespace"] = self.namespace
            self.client.create(KINDS[obj["kind"]], obj)

    def do(self, step: list[Any]) -> None:
        """Take one step: a verb and what it needs."""
        verb, *rest = step
        getattr(self, f"_{verb}")(*rest)

    def see(self) -> KubeObject:
        """Return the state: the Jobs and JobSets with their status, and the pods."""
        pods = self._list(PODS)
        names = {pod["metadata"]["name"]: _plain(pod) for pod in pods}

        def job_state(obj: KubeObject) -> KubeObject:
            return {"suspend": bool(obj["spec"].get("suspend")), "status": _normalized(obj.get("status") or {}, names)}

        state: KubeObject = {
            "jobs": {job["metadata"]["name"]: job_state(job) for job in self._list(JOBS)},
            "pods": sorted((_pod(pod) for pod in pods), key=lambda pod: sorted(map(str, pod.items()))),
        }
        jobsets = self._list(JOBSETS)
        if jobsets:
            state["jobsets"] = {jobset["metadata"]["name"]: job_state(jobset) for jobset in jobsets}
            state["services"] = sorted(service["metadata"]["name"] for service in self._list(SERVICES))
        claims = self._list(PERSISTENTVOLUMECLAIMS)
        if claims:
            state["claims"] = {claim["metadata"]["name"]: _claim(claim) for claim in claims}
        text = _without(state, self.namespace)
        assert isinstance(text, dict)
        return text

    def marks(self) -> KubeObject:
        """Return the labels and annotations that the Jobs and pods carry by now, and the names of the pods."""
        jobs = {f"Job {job['metadata']['name']}": _marks(job) for job in self._list(JOBS)}
        return {**jobs, **{f"Pod {_plain(pod)}": _pod_marks(pod) for pod in self._list(PODS)}}

    def events(self) -> list[str]:
        """Return every event about Jobs and JobSets, each once."""
        lines = set()
        for event in self._list(EVENTS):
            about = event["involvedObject"]
            if about["kind"] in KINDS and about["kind"] != PODS.kind:
                message = re.sub(r"([Pp]od:? [a-z0-9/-]+-)[a-z0-9]{5}\b", r"\1*", event["message"])
                if "already exists" in message:  # a look at what an informer did not know yet
                    continue
                lines.add(f"{about['kind']} {about['name']}: {event['type']} {event['reason']}: {message}")
        return sorted(str(_without(line, self.namespace)) for line in lines)

    def free(self) -> None:
        """Remove the test's finalizer from all pods, so that the namespace can be deleted."""
        for pod in self._list(PODS):
            if HELD in (pod["metadata"].get("finalizers") or ()):
                patch = {
                    "metadata": {
                        "finalizers": [finalizer for finalizer in pod["metadata"]["finalizers"] if finalizer != HELD]
                    }
                }
                self.client.patch(PODS, pod["metadata"]["name"], patch, namespace=self.namespace)

    def _run(self, prefix: str) -> None:
        """Let the active pod of that name run, and be ready."""
        running = {"running": {"startedAt": timestamp()}}
        self._set(self._pod_of(prefix), phase="Running", state=running, ready=True)

    def _end(self, prefix: str, code: int, more: KubeObject | None = None) -> None:
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
        """Set the restart count of a pod's container."""
        running = {"running": {"startedAt": timestamp()}}
        self._set(self._pod_of(prefix), phase="Running", state=running, ready=True, restarts=count)

    def _delete(self, kind: str, name: str) -> None:
        """Delete an object; a pod is named by the beginning of its name."""
        if kind == PODS.kind:
            name = self._pod_of(name)["metadata"]["name"]
        self.client.delete(KINDS[kind], name, namespace=self.namespace, propagation="Background")

    def _release(self, prefix: str) -> None:
        """Remove the test's finalizer from the deleted pods of that name."""
        for pod in self._list(PODS):
            held = pod["metadata"].get("finalizers") or []
            if pod["metadata"]["name"].startswith(prefix) and HELD in held and _deleting(pod):
                patch = {"metadata": {"finalizers": [finalizer for finalizer in held if finalizer != HELD]}}
                self.client.patch(PODS, pod["metadata"]["name"], patch, namespace=self.namespace)

    def _patch(self, kind: str, name: str, patch: KubeObject) -> None:
        self.client.patch(KINDS[kind], name, patch, namespace=self.namespace)

    def _await(self, kind: str, name: str, condition: str) -> None:
        """Wait for a condition of an object, or for its removal ("gone")."""

        def come() -> bool:
            obj = self.client.find(KINDS[kind], name, namespace=self.namespace)
            if condition == "gone" or obj is None:
                return obj is None
            held = (obj.get("status") or {}).get("conditions") or []
            return any(one["type"] == condition and one["status"] == "True" for one in held)

        wait_for(come, f"{kind} {name}: {condition}")

    def _pod_of(self, prefix: str, *, deleted: bool = False) -> KubeObject:
        def matching_pods() -> list[KubeObject]:
            return [
                pod
                for pod in self._list(PODS)
                if _plain(pod) == prefix
                and pod["status"]["phase"] in {"Pending", "Running"}
                and _deleting(pod) is deleted
            ]

        pods: list[KubeObject] = wait_for(matching_pods, f"an active pod {prefix}")
        return pods[0]

    def _set(
        self,
        pod: KubeObject,
        *,
        phase: str,
        state: KubeObject,
        ready: bool = False,
        restarts: int = 0,
        more: KubeObject | None = None,
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

    def _list(self, resource: Resource) -> list[KubeObject]:
        try:
            return self.client.list(resource, namespace=self.namespace).items
        except errors.NotFound:
            return []


def _plain(pod: KubeObject) -> str:
    """Return a pod's name without its random end."""
    name: str = pod["metadata"]["name"]
    return name[:-6]


def _deleting(pod: KubeObject) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _pod(pod: KubeObject) -> KubeObject:
    entry: KubeObject = {"name": _plain(pod), "phase": pod["status"]["phase"]}
    if _deleting(pod):
        entry["deleting"] = True
    annotations = pod["metadata"].get("annotations") or {}
    for name, key in (("failures", _FAILURES), ("ignored", _IGNORED)):
        if key in annotations:
            entry[name] = annotations[key]
    return entry


def _claim(claim: KubeObject) -> KubeObject:
    metadata = claim["metadata"]
    owners = [(owner["kind"], owner["name"]) for owner in metadata.get("ownerReferences") or ()]
    return {"labels": metadata.get("labels") or {}, "owners": [list(owner) for owner in owners]}


def _marks(obj: KubeObject) -> KubeObject:
    metadata = obj["metadata"]
    return {
        name: {key: value for key, value in (metadata.get(name) or {}).items() if _MARKS.match(key)}
        for name in ("labels", "annotations")
    }


def _pod_marks(pod: KubeObject) -> KubeObject:
    spec = pod["spec"]
    volumes = [volume for volume in spec.get("volumes") or () if "kube-api-access" not in volume["name"]]
    names = {name: spec.get(name) for name in ("hostname", "subdomain")}
    return {**_marks(pod), **names, "volumes": volumes}


def _normalized(value: Any, names: dict[str, str]) -> Any:
    """Return a status without times, and with the random end of pods' names left out."""
    if isinstance(value, dict):
        return {name: "time" if name in _TIMES else _normalized(inner, names) for name, inner in value.items()}
    if isinstance(value, list):
        return [_normalized(inner, names) for inner in value]
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


def parts(scenario: KubeObject) -> Iterator[tuple[int, list[Any] | None]]:
    """Yield the steps of a scenario with their numbers; the first, without a step, is its beginning."""
    yield 0, None
    yield from enumerate(scenario["steps"], 1)
