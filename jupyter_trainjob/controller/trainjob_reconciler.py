"""The TrainJob reconciler: creates a runtime snapshot and a JobSet for a TrainJob, and writes its status.

Normally there are four writes over the lifetime of a job: snapshot, JobSet, status when its Jobs are ready, and status
when it has ended.

The steps are those of Kubeflow Trainer (pkg/controller/trainjob_controller.go), with corrections: a job that is being
deleted is ignored, an unsupported runtime results in a condition, a failed job is never built again, and deleting the
JobSet of a job past its deadline is retried.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import JOBSETS, TRAINJOBS, KubeObject
from jupyter_trainjob.api.times import timestamp, unix_seconds
from jupyter_trainjob.constants import MANAGED_BY_TRAINER
from jupyter_trainjob.controller import active_deadline, event_recorder, trainjob_status
from jupyter_trainjob.controller.framework.phases import Plugin
from jupyter_trainjob.controller.framework.pipeline_errors import Unsupported
from jupyter_trainjob.controller.owned_fields import jobset_patch
from jupyter_trainjob.controller.plugins.registry import build_objects, plugins_with
from jupyter_trainjob.controller.runtime_snapshot import RuntimeSnapshots, runtime_reference
from jupyter_trainjob.controller.side_objects import SideObjects, check_owned, is_owned
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Mapper
from jupyter_trainjob.kube.informer import Informer, key_of
from jupyter_trainjob.kube.workqueue import Key

_log = logging.getLogger(__name__)

CONTROLLER = "trainer-trainjob-controller"
CREATION_FAILED = "TrainJobResourcesCreationFailed"
_ERROR_LIMIT = 950
CACHE_DELAY = 1.0
"""Seconds until a TrainJob is reconciled again that the cache had in an older state than the one written last."""


class TrainJobReconciler:
    """Creates and updates the JobSets of TrainJobs, and the TrainJobs' status."""

    def __init__(
        self,
        client: Client,
        *,
        train_jobs: Informer,
        jobsets: Informer,
        snapshots: RuntimeSnapshots,
        recorder: event_recorder.EventRecorder,
        gated_plugins: tuple[Plugin, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._train_jobs = train_jobs
        self._jobsets = jobsets
        self._snapshots = snapshots
        self._side_objects = SideObjects(client)
        self._recorder = recorder
        self._gated_plugins = gated_plugins
        self._clock = clock
        self._written: dict[Key, tuple[str, int]] = {}
        """Uid and resource version of TrainJobs whose last written status the cache may not have yet."""

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Reconcile one TrainJob; return the seconds until its deadline or its delayed status update."""
        train_job = self._train_jobs.get(name, namespace)
        if train_job is None:
            self._written.pop((namespace, name), None)
            return None
        if self._is_behind(train_job):
            return CACHE_DELAY
        if not _must_reconcile(train_job):
            return None
        now = self._clock()
        jobset = self._jobsets.get(name, namespace)
        owned_jobset = jobset if jobset is not None and is_owned(jobset, train_job) else None
        new = trainjob_status.derive_status(train_job, owned_jobset, now=timestamp(now))
        seconds_left = active_deadline.seconds_left(train_job, new, now=now)
        failure: errors.TrainJobError | None = None
        if seconds_left is not None and seconds_left <= 0:
            new, seconds_left = (
                trainjob_status.with_failure(
                    new, conditions.DEADLINE_EXCEEDED, active_deadline.MESSAGE, now=timestamp(now)
                ),
                None,
            )
        elif not trainjob_status.is_finished(new) and _may_build(train_job, owned_jobset):
            new, failure = self._build(train_job, jobset, new, now)
        settling_delay = self._write_status(train_job, owned_jobset, new, now)
        if owned_jobset is not None and trainjob_status.is_deadline_exceeded(new):
            self._delete(owned_jobset)
        if failure is not None:
            raise failure
        return min((wait for wait in (seconds_left, settling_delay) if wait is not None), default=None)

    def _build(
        self, train_job: KubeObject, jobset: KubeObject | None, current: KubeObject, now: float
    ) -> tuple[KubeObject, errors.TrainJobError | None]:
        """Create or change the JobSet; return the new status, and the error if that failed."""
        try:
            runtime = self._snapshots.runtime_of(train_job, new=jobset is None)
            for wanted in build_objects(train_job, runtime, plugins=plugins_with(self._gated_plugins)):
                if wanted["kind"] == JOBSETS.kind:
                    self._apply(train_job, jobset, wanted)
                else:
                    self._side_objects.apply(train_job, wanted, new=jobset is None)
        except Unsupported as error:
            if not _has_failed_with(train_job, str(error)):
                self._warn(train_job, error)
            return trainjob_status.with_failure(
                current, trainjob_status.RUNTIME_NOT_SUPPORTED, str(error), now=timestamp(now)
            ), None
        except errors.Conflict as race:
            return current, race
        except errors.TrainJobError as error:
            self._warn(train_job, error)
            return current, error
        return trainjob_status.without_unsupported(current), None

    def _apply(self, train_job: KubeObject, jobset: KubeObject | None, wanted: KubeObject) -> None:
        if jobset is None:
            self._client.create(JOBSETS, wanted)
            return
        check_owned(JOBSETS, jobset, train_job)
        patch = jobset_patch(jobset, wanted)
        if patch:
            metadata = {**patch.get("metadata", {}), "resourceVersion": jobset["metadata"]["resourceVersion"]}
            namespace, name = key_of(jobset)
            self._client.patch(JOBSETS, name, {**patch, "metadata": metadata}, namespace=namespace)

    def _write_status(
        self, train_job: KubeObject, jobset: KubeObject | None, new: KubeObject, now: float
    ) -> float | None:
        """Write the changed fields of the status; return the seconds to wait if that is delayed."""
        old = train_job.get("status") or {}
        changed = {field: new.get(field) for field in ("conditions", "jobsStatus") if new.get(field) != old.get(field)}
        if not changed:
            return None
        age = now - unix_seconds(jobset["metadata"]["creationTimestamp"]) if jobset is not None else 0.0
        wait = trainjob_status.settling_delay(train_job, new, jobset, age=age)
        if wait is not None:
            return wait
        metadata = {"resourceVersion": train_job["metadata"]["resourceVersion"]}
        namespace, name = key_of(train_job)
        patch = {"metadata": metadata, "status": changed}
        written = self._client.patch(TRAINJOBS, name, patch, namespace=namespace, subresource="status")["metadata"]
        self._written[namespace, name] = (written["uid"], int(written["resourceVersion"]))
        return None

    def _is_behind(self, train_job: KubeObject) -> bool:
        """Whether the cache has an older status than the one written last.

        Otherwise a failed job would be built again if its JobSet was deleted just then.
        """
        metadata = train_job["metadata"]
        uid, version = self._written.get(key_of(train_job), ("", 0))
        if uid == metadata["uid"] and int(metadata["resourceVersion"]) < version:
            return True
        self._written.pop(key_of(train_job), None)
        return False

    def _delete(self, jobset: KubeObject) -> None:
        # Called after the status is written, which prevents another build; after an error the next reconcile retries.
        if jobset["metadata"].get("deletionTimestamp"):
            return
        namespace, name = key_of(jobset)
        try:
            self._client.delete(JOBSETS, name, namespace=namespace, uid=jobset["metadata"]["uid"])
        except errors.NotFound:
            _log.debug("JobSet %s/%s was gone already", namespace, name)

    def _warn(self, train_job: KubeObject, error: errors.TrainJobError) -> None:
        text = str(error)
        text = text if len(text) <= _ERROR_LIMIT else text[:_ERROR_LIMIT] + " ..."
        message = f"TrainJob resources reconciliation failed: {text}"
        self._recorder.record(train_job, kind=event_recorder.WARNING, reason=CREATION_FAILED, message=message)


def to_referring_jobs(train_jobs: Informer) -> Mapper:
    """Return a mapper from a runtime to the unfinished TrainJobs that refer to it, which may be waiting for it."""

    def mapper(runtime: KubeObject) -> Iterable[Key]:
        for train_job in train_jobs.list(runtime["metadata"].get("namespace")):
            _, kind, name = runtime_reference(train_job)
            refers = (kind, name) == (runtime["kind"], runtime["metadata"]["name"])
            if refers and not trainjob_status.is_finished(train_job.get("status") or {}):
                yield key_of(train_job)

    return mapper


def _must_reconcile(train_job: KubeObject) -> bool:
    managed_by = train_job["spec"].get("managedBy") or MANAGED_BY_TRAINER
    # Objects that are created during the deletion would have to be collected again.
    return managed_by == MANAGED_BY_TRAINER and not train_job["metadata"].get("deletionTimestamp")


def _may_build(train_job: KubeObject, jobset: KubeObject | None) -> bool:
    """Return whether to create or change the JobSet: a running one is not changed."""
    return jobset is None or bool(train_job["spec"].get("suspend") or jobset["spec"].get("suspend"))


def _has_failed_with(train_job: KubeObject, message: str) -> bool:
    existing = (train_job.get("status") or {}).get("conditions") or ()
    return any(
        condition["type"] == trainjob_status.FAILED and condition.get("message") == message for condition in existing
    )
