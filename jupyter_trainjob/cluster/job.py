"""The Job controller: batch/v1 Jobs become Pods. In a real cluster this is kube-controller-manager's.

Jobs come from the JobSet controller, Pods go to the scheduler. What to do is decided in `jobdecision`; here pods are
read, made and deleted, and the status is written once. A decision to make pods or to finish is taken again on what the
API server itself says now, because an informer's copy may not yet know what was written before.

Not here, because no JobSet of a TrainJob needs it: podFailurePolicy, successPolicy and backoffLimitPerIndex.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timezone
from typing import Final

from jupyter_trainjob import constants, errors
from jupyter_trainjob.api import names
from jupyter_trainjob.api.resources import JOBS, PODS, Object, owner_reference
from jupyter_trainjob.cluster import jobdecision
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.cluster.jobdecision import Decision, Note
from jupyter_trainjob.controller.events import NORMAL, WARNING, Recorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller, to_controller
from jupyter_trainjob.kube.informer import Informer

COMPONENT: Final = "job-controller"
MANAGER: Final = "kubernetes.io/job-controller"
INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"


def controller(client: Client, informers: Informers | None = None) -> Controller:
    """Return the controller of Jobs, not started."""
    informers = informers or Informers(client)
    jobs, pods = informers.of(JOBS), informers.of(PODS)
    reconciler = JobReconciler(client, jobs=jobs, pods=pods, recorder=Recorder(client, controller=COMPONENT))
    made = Controller("job", reconciler)
    made.watch(jobs)
    made.watch(pods, to_controller(JOBS.kind))
    return made


class JobReconciler:
    """Brings one Job nearer to its completions."""

    def __init__(
        self,
        client: Client,
        *,
        jobs: Informer,
        pods: Informer,
        recorder: Recorder,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._pods = pods
        self._recorder = recorder
        self._now = now

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Reconcile one Job."""
        job = self._jobs.get(name, namespace)
        if job is None or jobdecision.is_finished(job) or job["spec"].get("managedBy") not in {None, MANAGER}:
            return None
        decision = jobdecision.decide(job, self._pods.owned_by(job["metadata"]["uid"]), self._now())
        if decision.create or decision.notes:
            fresh = self._client.find(JOBS, name, namespace=namespace)
            if fresh is None or fresh["metadata"]["uid"] != job["metadata"]["uid"] or jobdecision.is_finished(fresh):
                return None
            job = fresh
            decision = jobdecision.decide(job, self._read_pods(job), self._now())
        notes: list[Note] = []
        try:
            self._delete_pods(job, decision, notes)
            self._create_pods(job, decision, notes)
            self._write_status(job, decision)
            notes += decision.notes
        finally:
            for note in notes:
                self._recorder.record(job, kind=note.kind, reason=note.reason, message=note.message)
        return decision.again

    def _read_pods(self, job: Object) -> list[Object]:
        """Return the Job's pods as the API server has them now."""
        uid = job["metadata"]["uid"]
        selector = f"{constants.JOB_CONTROLLER_UID}={uid}"
        return self._client.list(PODS, namespace=job["metadata"]["namespace"], labels=selector).items

    def _delete_pods(self, job: Object, decision: Decision, notes: list[Note]) -> None:
        for pod in decision.delete:
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            try:
                self._client.delete(PODS, name, namespace=job["metadata"]["namespace"], uid=uid)
            except (errors.NotFound, errors.Conflict):
                continue  # gone, or another pod of that name
            notes.append(Note(NORMAL, "SuccessfulDelete", f"Deleted pod: {name}"))
            decision.count_active(-1)

    def _create_pods(self, job: Object, decision: Decision, notes: list[Note]) -> None:
        for index in decision.create:
            try:
                made = self._client.create(PODS, pod_for(job, index))
            except errors.ApiError as error:
                if not _is_ending(error):
                    notes.append(Note(WARNING, "FailedCreate", f"Error creating: {error.message}"))
                raise
            notes.append(Note(NORMAL, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}"))
            decision.count_active(1)

    def _write_status(self, job: Object, decision: Decision) -> None:
        before, wanted = job.get("status") or {}, decision.status
        changed = {name: value for name, value in wanted.items() if before.get(name) != value or name not in before}
        changed.update({name: None for name in before if name not in wanted})
        if not changed:
            return
        metadata = job["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": changed}
        self._client.patch(JOBS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status")


def pod_for(job: Object, index: int | None) -> Object:
    """Return a new pod of the Job: from its template, with the labels, the name and the index that Kubernetes gives."""
    template, job_metadata = deepcopy(job["spec"]["template"]), job["metadata"]
    name, uid = job_metadata["name"], job_metadata["uid"]
    given = template.get("metadata") or {}
    labels = {**(given.get("labels") or {}), constants.JOB_NAME: name, constants.JOB_CONTROLLER_UID: uid}
    metadata: Object = {
        "namespace": job_metadata["namespace"],
        "labels": labels,
        "ownerReferences": [
            owner_reference({"apiVersion": JOBS.api_version, "kind": JOBS.kind, "metadata": job_metadata})
        ],
    }
    if given.get("annotations"):
        metadata["annotations"] = dict(given["annotations"])
    spec = template["spec"]
    if index is None:
        metadata["name"] = _generated(name)
        return {"metadata": metadata, "spec": spec}
    metadata["name"] = _generated(f"{name}-{index}")
    labels[constants.JOB_COMPLETION_INDEX] = str(index)
    metadata.setdefault("annotations", {})[constants.JOB_COMPLETION_INDEX] = str(index)
    spec["hostname"] = f"{name}-{index}"
    path = f"metadata.labels['{constants.JOB_COMPLETION_INDEX}']"
    variable = {"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": path}}}
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        if all(each["name"] != INDEX_VARIABLE for each in container.get("env") or ()):
            container["env"] = [*(container.get("env") or ()), variable]
    return {"metadata": metadata, "spec": spec}


def _generated(base: str) -> str:
    """Return a pod's name: at most 63 characters, which a hostname may have, the last five at random."""
    return names.generated(f"{base[:57]}-")


def _is_ending(error: errors.ApiError) -> bool:
    causes = (error.status.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
