"""The Job reconciler: reads a Job and its pods from the informers, lets `decision` decide, and carries that out.

Pods are made and deleted first, the status is written once, last. A decision to make pods or to finish is taken again
on what the API server itself says now, because an informer's copy may not yet know what was written before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Final

from jupyter_trainjob import constants, errors
from jupyter_trainjob.api.resources import JOBS, PODS, Object
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.cluster.job import ttl
from jupyter_trainjob.cluster.job.decision import Decision, Note, decide, is_finished
from jupyter_trainjob.cluster.job.ledger import Ledger
from jupyter_trainjob.cluster.job.pods import pod_for
from jupyter_trainjob.controller.events import NORMAL, WARNING, Recorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller, to_controller
from jupyter_trainjob.kube.informer import Informer

COMPONENT: Final = "job-controller"
MANAGER: Final = "kubernetes.io/job-controller"


def controller(client: Client, informers: Informers | None = None) -> Controller:
    """Return the controller of Jobs, not started."""
    informers = informers or Informers(client)
    jobs, pods = informers.of(JOBS), informers.of(PODS)
    reconciler = JobReconciler(client, jobs=jobs, pods=pods, recorder=Recorder(client, controller=COMPONENT))
    jobs.on_change(reconciler.forget)
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
        self._ledger = Ledger()

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Reconcile one Job."""
        job = self._jobs.get(name, namespace)
        if job is None or job["spec"].get("managedBy") not in {None, MANAGER}:
            return None
        if is_finished(job):
            return self._clean_up(job)
        decision = self._decide(job, self._pods.owned_by(job["metadata"]["uid"]))
        if decision.create or decision.notes:
            fresh = self._client.find(JOBS, name, namespace=namespace)
            if fresh is None or fresh["metadata"]["uid"] != job["metadata"]["uid"] or is_finished(fresh):
                return None
            job = fresh
            decision = self._decide(job, self._read_pods(job))
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

    def forget(self, old: Object | None, new: Object | None) -> None:
        """Forget what was counted of a Job that is gone or finished."""
        if old is not None and (new is None or is_finished(new)):
            self._ledger.forget(old["metadata"]["uid"])

    def _decide(self, job: Object, pods: list[Object]) -> Decision:
        counted, spared = self._ledger.counted(job, pods), self._ledger.spared(job)
        return decide(job, pods, self._now(), counted=counted, spared=spared)

    def _clean_up(self, job: Object) -> float | None:
        """Delete a finished Job whose time is over; return the seconds until it will be."""
        left = ttl.seconds_left(job, self._now())
        if left is None or left > 0:
            return left
        metadata = job["metadata"]
        try:
            self._client.delete(
                JOBS, metadata["name"], namespace=metadata["namespace"], propagation="Foreground", uid=metadata["uid"]
            )
        except (errors.NotFound, errors.Conflict):
            return None  # gone, or another Job of that name
        return None

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
            if not decision.blaming:
                self._ledger.spare(job, uid)
            notes.append(Note(NORMAL, "SuccessfulDelete", f"Deleted pod: {name}"))
            decision.count_deleted(pod)

    def _create_pods(self, job: Object, decision: Decision, notes: list[Note]) -> None:
        for new in decision.create:
            try:
                made = self._client.create(PODS, pod_for(job, new))
            except errors.ApiError as error:
                if not _is_ending(error):
                    notes.append(Note(WARNING, "FailedCreate", f"Error creating: {error.message}"))
                raise
            notes.append(Note(NORMAL, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}"))
            decision.count_created()

    def _write_status(self, job: Object, decision: Decision) -> None:
        before, wanted = job.get("status") or {}, decision.status
        changed = {name: value for name, value in wanted.items() if before.get(name) != value or name not in before}
        changed.update({name: None for name in before if name not in wanted})
        if changed:
            metadata = job["metadata"]
            patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": changed}
            self._client.patch(JOBS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status")
        # Only now: a status that could not be written has counted nothing.
        self._ledger.settle(job, decision.settled)


def _is_ending(error: errors.ApiError) -> bool:
    causes = (error.status.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
