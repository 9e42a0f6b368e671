"""The JobSet reconciler: reads a JobSet and its Jobs from the informers, and carries out `jobset_decision.decide`.

Jobs and the Service are written first, the status last, with the resourceVersion that the decision is based on: if the
JobSet has changed, the status is not written, and the next reconcile decides again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import JOBS, JOBSETS, PERSISTENTVOLUMECLAIMS, SERVICES, KubeObject, controller_of
from jupyter_trainjob.constants import MANAGED_BY_JOBSET
from jupyter_trainjob.controller.event_recorder import WARNING, EventRecorder
from jupyter_trainjob.controller.jobset.jobset_decision import Decision, decide
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer, key_of

CONTROLLER = "jobset"
JOB_CREATION_FAILED = "JobCreationFailed"
SERVICE_CREATION_FAILED = "HeadlessServiceCreationFailed"
CLAIM_CREATION_FAILED = "PVCCreationFailed"


class JobSetReconciler:
    """Creates, changes and deletes the Jobs of JobSets, and writes the JobSets' status."""

    def __init__(
        self,
        client: Client,
        *,
        jobsets: Informer,
        jobs: Informer,
        services: Informer,
        recorder: EventRecorder,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._jobsets = jobsets
        self._jobs = jobs
        self._services = services
        self._recorder = recorder
        self._clock = clock

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Reconcile one JobSet; return the seconds until its deletion, if it has a TTL."""
        jobset = self._jobsets.get(name, namespace)
        if jobset is None or jobset["metadata"].get("deletionTimestamp"):
            return None
        if jobset["spec"].get("managedBy", MANAGED_BY_JOBSET) != MANAGED_BY_JOBSET:
            return None
        decision = decide(jobset, self._jobs.owned_by(jobset["metadata"]["uid"]), now=self._clock())
        self._carry_out(jobset, decision)
        return decision.requeue_after

    def _carry_out(self, jobset: KubeObject, decision: Decision) -> None:
        for job in decision.delete:
            self._delete(job)
        if decision.service is not None:
            self._create_service(jobset, decision.service)
        if decision.create:
            for claim in decision.claims:
                self._create_claim(jobset, claim)
        for job in decision.create:
            self._create_job(jobset, job)
        for job, patch in decision.patches:
            self._patch(job, patch)
        if self._write_status(jobset, decision.status):
            for kind, reason, message in decision.events:
                self._recorder.record(jobset, kind=kind, reason=reason, message=message)
        if decision.expired:
            namespace, name = key_of(jobset)
            uid = jobset["metadata"]["uid"]
            self._client.delete(JOBSETS, name, namespace=namespace, propagation="Foreground", uid=uid)

    def _delete(self, job: KubeObject) -> None:
        namespace, name = key_of(job)
        try:
            self._client.delete(JOBS, name, namespace=namespace, propagation="Foreground", uid=job["metadata"]["uid"])
        except errors.NotFound:
            return

    def _create_service(self, jobset: KubeObject, service: KubeObject) -> None:
        namespace, name = key_of(service)
        if self._services.get(name, namespace) is not None:
            return
        try:
            self._client.create(SERVICES, service)
        except errors.AlreadyExists:
            return
        except errors.ApiError as error:
            self._recorder.record(jobset, kind=WARNING, reason=SERVICE_CREATION_FAILED, message=str(error))
            raise

    def _create_claim(self, jobset: KubeObject, claim: KubeObject) -> None:
        try:
            self._client.create(PERSISTENTVOLUMECLAIMS, claim)
        except errors.AlreadyExists:
            return
        except errors.ApiError as error:
            self._recorder.record(jobset, kind=WARNING, reason=CLAIM_CREATION_FAILED, message=str(error))
            raise

    def _create_job(self, jobset: KubeObject, job: KubeObject) -> None:
        name = job["metadata"]["name"]
        try:
            self._client.create(JOBS, job)
        except errors.AlreadyExists as error:
            self._check_owner(jobset, job, error)
        except errors.ApiError as error:
            message = f'job "{name}" creation failed with error: {error}'
            self._recorder.record(jobset, kind=WARNING, reason=JOB_CREATION_FAILED, message=message)
            raise

    def _check_owner(self, jobset: KubeObject, job: KubeObject, race: errors.AlreadyExists) -> None:
        """Raise an error unless the existing Job of that name belongs to the JobSet."""
        namespace, name = key_of(job)
        owner = controller_of(self._client.get(JOBS, name, namespace=namespace))
        if owner is not None and owner["uid"] == jobset["metadata"]["uid"]:
            return
        if owner is not None and (owner["kind"], owner["name"]) == (JOBSETS.kind, jobset["metadata"]["name"]):
            # The garbage collector is about to delete the Job of an earlier JobSet of this name.
            raise race
        message = f'job "{name}" creation failed with error: a Job of that name exists that is not this JobSet\'s'
        self._recorder.record(jobset, kind=WARNING, reason=JOB_CREATION_FAILED, message=message)
        raise race

    def _patch(self, job: KubeObject, patch: KubeObject) -> None:
        namespace, name = key_of(job)
        version = job["metadata"]["resourceVersion"]
        if patch["spec"].get("suspend") is False and (job.get("status") or {}).get("startTime"):
            # The template of a Job that was started is immutable until its startTime is removed. JobSet removes it in
            # any case, so that the time of the Job counts from its resumption.
            cleared = {"metadata": {"resourceVersion": version}, "status": {"startTime": None}}
            answer = self._client.patch(JOBS, name, cleared, namespace=namespace, subresource="status")
            version = answer["metadata"]["resourceVersion"]
        patch = {**patch, "metadata": {"resourceVersion": version}}
        self._client.patch(JOBS, name, patch, namespace=namespace)

    def _write_status(self, jobset: KubeObject, status: KubeObject) -> bool:
        old = jobset.get("status") or {}
        changed = {field: value for field, value in status.items() if old.get(field) != value}
        if not changed:
            return False
        namespace, name = key_of(jobset)
        metadata = {"resourceVersion": jobset["metadata"]["resourceVersion"]}
        patch = {"metadata": metadata, "status": changed}
        self._client.patch(JOBSETS, name, patch, namespace=namespace, subresource="status")
        return True
