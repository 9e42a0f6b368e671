"""The Job reconciler: reads a Job and its pods from the informers and carries out what `job_decision` decides.

Pods are deleted and created first; the status is written once, last. A decision that creates pods or records events is
repeated with objects read from the API server, because an informer's cache may lag behind earlier writes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Final

from jupyter_trainjob import constants, errors
from jupyter_trainjob.api.resources import JOBS, PODS, KubeObject
from jupyter_trainjob.cluster.job import job_ttl
from jupyter_trainjob.cluster.job.counted_pods import CountedPods
from jupyter_trainjob.cluster.job.job_decision import Decision, JobEvent, decide, is_finished
from jupyter_trainjob.cluster.job.pod_template import build_pod
from jupyter_trainjob.cluster.shared_informers import SharedInformers
from jupyter_trainjob.controller.event_recorder import NORMAL, WARNING, EventRecorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller, to_controller
from jupyter_trainjob.kube.informer import Informer

COMPONENT: Final = "job-controller"
MANAGER: Final = "kubernetes.io/job-controller"


def controller(client: Client, informers: SharedInformers | None = None) -> Controller:
    """Return the controller of Jobs; the caller starts it."""
    informers = informers or SharedInformers(client)
    jobs, pods = informers.informer_for(JOBS), informers.informer_for(PODS)
    reconciler = JobReconciler(client, jobs=jobs, pods=pods, recorder=EventRecorder(client, controller=COMPONENT))
    jobs.on_change(reconciler.forget)
    job_controller = Controller("job", reconciler)
    job_controller.watch(jobs)
    job_controller.watch(pods, to_controller(JOBS.kind))
    return job_controller


class JobReconciler:
    """Reconciles one Job at a time."""

    def __init__(
        self,
        client: Client,
        *,
        jobs: Informer,
        pods: Informer,
        recorder: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._pods = pods
        self._recorder = recorder
        self._now = now
        self._counted_pods = CountedPods()

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Reconcile one Job; return the seconds after which to do so again, if needed."""
        job = self._jobs.get(name, namespace)
        if job is None or job["spec"].get("managedBy") not in {None, MANAGER}:
            return None
        if is_finished(job):
            return self._clean_up(job)
        decision = self._decide(job, self._pods.owned_by(job["metadata"]["uid"]))
        if decision.create or decision.events:
            fresh = self._client.find(JOBS, name, namespace=namespace)
            if fresh is None or fresh["metadata"]["uid"] != job["metadata"]["uid"] or is_finished(fresh):
                return None
            job = fresh
            decision = self._decide(job, self._read_pods(job))
        events: list[JobEvent] = []
        try:
            self._delete_pods(job, decision, events)
            self._create_pods(job, decision, events)
            self._write_status(job, decision)
            events += decision.events
        finally:
            for event in events:
                self._recorder.record(job, kind=event.kind, reason=event.reason, message=event.message)
        return decision.requeue_after

    def forget(self, old: KubeObject | None, new: KubeObject | None) -> None:
        """Remove the counting records of a Job that is deleted or finished."""
        if old is not None and (new is None or is_finished(new)):
            self._counted_pods.forget(old["metadata"]["uid"])

    def _decide(self, job: KubeObject, pods: list[KubeObject]) -> Decision:
        counted, exempt = self._counted_pods.counted(job, pods), self._counted_pods.exempt(job)
        return decide(job, pods, self._now(), counted=counted, exempt=exempt)

    def _clean_up(self, job: KubeObject) -> float | None:
        """Delete a finished Job whose TTL has expired; return the seconds until it does."""
        seconds_left = job_ttl.seconds_to_deletion(job, self._now())
        if seconds_left is None or seconds_left > 0:
            return seconds_left
        metadata = job["metadata"]
        try:
            self._client.delete(
                JOBS, metadata["name"], namespace=metadata["namespace"], propagation="Foreground", uid=metadata["uid"]
            )
        except (errors.NotFound, errors.Conflict):
            return None  # deleted, or replaced by another Job of that name
        return None

    def _read_pods(self, job: KubeObject) -> list[KubeObject]:
        """Return the Job's pods from the API server."""
        uid = job["metadata"]["uid"]
        selector = f"{constants.JOB_CONTROLLER_UID}={uid}"
        return self._client.list(PODS, namespace=job["metadata"]["namespace"], labels=selector).items

    def _delete_pods(self, job: KubeObject, decision: Decision, events: list[JobEvent]) -> None:
        for pod in decision.delete:
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            try:
                self._client.delete(PODS, name, namespace=job["metadata"]["namespace"], uid=uid)
            except (errors.NotFound, errors.Conflict):
                continue  # deleted, or replaced by another pod of that name
            if not decision.deletions_are_failures:
                self._counted_pods.mark_exempt(job, uid)
            events.append(JobEvent(NORMAL, "SuccessfulDelete", f"Deleted pod: {name}"))
            decision.count_deleted(pod)

    def _create_pods(self, job: KubeObject, decision: Decision, events: list[JobEvent]) -> None:
        for new in decision.create:
            try:
                pod = self._client.create(PODS, build_pod(job, new))
            except errors.ApiError as error:
                if not _is_namespace_terminating(error):
                    events.append(JobEvent(WARNING, "FailedCreate", f"Error creating: {error.message}"))
                raise
            events.append(JobEvent(NORMAL, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}"))
            decision.count_created()

    def _write_status(self, job: KubeObject, decision: Decision) -> None:
        before, wanted = job.get("status") or {}, decision.status
        changed = {name: value for name, value in wanted.items() if before.get(name) != value or name not in before}
        changed.update({name: None for name in before if name not in wanted})
        if changed:
            metadata = job["metadata"]
            patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": changed}
            self._client.patch(JOBS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status")
        # Only after the write: a status that was not written has counted nothing.
        self._counted_pods.mark_counted(job, decision.newly_counted)


def _is_namespace_terminating(error: errors.ApiError) -> bool:
    causes = (error.status.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
