"""The TrainJob reconciler: reads what is there, decides what shall be, writes it once.

A key comes in from the work queue; a runtime snapshot, a JobSet and a status come out. In the happy path that is four
writes over a job's whole life: snapshot, JobSet, status when its Jobs are ready, status when it has ended.

The steps are Kubeflow Trainer's. Where those are known to go wrong it is told at the spot: a job that is being deleted
is left alone, an unsupported runtime ends in a condition, a failed job is never built again, and the JobSet of a job
past its deadline is deleted however often that takes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import JOBSETS, PODGROUPS, TRAINJOBS, Object, Resource, controller_of
from jupyter_trainjob.api.times import seconds, timestamp
from jupyter_trainjob.constants import MANAGED_BY_TRAINER
from jupyter_trainjob.controller import deadline, events, status
from jupyter_trainjob.controller.framework.registry import build
from jupyter_trainjob.controller.framework.unsupported import BuildError, Unsupported
from jupyter_trainjob.controller.owned import jobset_patch, overlay
from jupyter_trainjob.controller.snapshot import Snapshots, reference
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Mapper
from jupyter_trainjob.kube.informer import Informer, key_of
from jupyter_trainjob.kube.workqueue import Key

_log = logging.getLogger(__name__)

CONTROLLER = "trainer-trainjob-controller"
CREATION_FAILED = "TrainJobResourcesCreationFailed"
_ERROR_LIMIT = 950
_NO_POD_GROUPS = (
    "the runtime asks for podGroupPolicy.coscheduling, and this cluster does not know PodGroups. Have "
    "scheduler-plugins installed there, or choose another runtime."
)


class TrainJobReconciler:
    """Brings TrainJobs and their JobSets together."""

    def __init__(
        self,
        client: Client,
        *,
        train_jobs: Informer,
        jobsets: Informer,
        snapshots: Snapshots,
        recorder: events.Recorder,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._train_jobs = train_jobs
        self._jobsets = jobsets
        self._snapshots = snapshots
        self._recorder = recorder
        self._clock = clock

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Reconcile one TrainJob; return the seconds until its deadline, or until its status has settled."""
        train_job = self._train_jobs.get(name, namespace)
        if train_job is None or not _ours_to_reconcile(train_job):
            return None
        now = self._clock()
        jobset = self._jobsets.get(name, namespace)
        own = jobset if jobset is not None and _owned(jobset, train_job) else None
        new = status.observe(train_job, own, now=timestamp(now))
        left = deadline.seconds_left(train_job, new, now=now)
        failure: errors.TrainJobError | None = None
        if left is not None and left <= 0:
            new, left = status.fail(new, status.DEADLINE_EXCEEDED, deadline.MESSAGE, now=timestamp(now)), None
        elif not status.finished(new) and _may_build(train_job, own):
            new, failure = self._build(train_job, jobset, new, now)
        settling = self._write_status(train_job, own, new, now)
        if own is not None and status.deadline_exceeded(new):
            self._delete(own)
        if failure is not None:
            raise failure
        return min((wait for wait in (left, settling) if wait is not None), default=None)

    def _build(
        self, train_job: Object, jobset: Object | None, current: Object, now: float
    ) -> tuple[Object, errors.TrainJobError | None]:
        """Create or change the JobSet; return the status after that, and the error that stopped it."""
        try:
            runtime = self._snapshots.runtime_of(train_job, new=jobset is None)
            for wanted in build(train_job, runtime):
                if wanted["kind"] == PODGROUPS.kind:
                    self._apply_pod_group(train_job, wanted, new=jobset is None)
                else:
                    self._apply(train_job, jobset, wanted)
        except Unsupported as error:
            if not _says(train_job, str(error)):
                self._warn(train_job, error)
            return status.fail(current, status.RUNTIME_NOT_SUPPORTED, str(error), now=timestamp(now)), None
        except errors.Conflict as race:
            return current, race
        except errors.TrainJobError as error:
            self._warn(train_job, error)
            return current, error
        return status.supported(current), None

    def _apply(self, train_job: Object, jobset: Object | None, wanted: Object) -> None:
        if jobset is None:
            self._client.create(JOBSETS, wanted)
            return
        _check_owned(JOBSETS, jobset, train_job)
        patch = jobset_patch(jobset, wanted)
        if patch:
            metadata = {**patch.get("metadata", {}), "resourceVersion": jobset["metadata"]["resourceVersion"]}
            namespace, name = key_of(jobset)
            self._client.patch(JOBSETS, name, {**patch, "metadata": metadata}, namespace=namespace)

    def _apply_pod_group(self, train_job: Object, wanted: Object, *, new: bool) -> None:
        """Create the PodGroup, or change it while the job is suspended: while its pods are scheduled it stays."""
        namespace, name = key_of(wanted)
        current = None if new else self._client.find(PODGROUPS, name, namespace=namespace)
        if current is None:
            try:
                self._client.create(PODGROUPS, wanted)
            except errors.AlreadyExists:
                current = self._client.get(PODGROUPS, name, namespace=namespace)
            except errors.NotFound:
                raise BuildError(_NO_POD_GROUPS) from None
            else:
                return
        _check_owned(PODGROUPS, current, train_job)
        spec = overlay(current.get("spec") or {}, wanted["spec"])
        if train_job["spec"].get("suspend") and spec != current.get("spec"):
            patch = {"metadata": {"resourceVersion": current["metadata"]["resourceVersion"]}, "spec": spec}
            self._client.patch(PODGROUPS, name, patch, namespace=namespace)

    def _write_status(self, train_job: Object, jobset: Object | None, new: Object, now: float) -> float | None:
        """Write the fields of the status that differ; return the seconds to wait if that has time."""
        old = train_job.get("status") or {}
        changed = {field: new.get(field) for field in ("conditions", "jobsStatus") if new.get(field) != old.get(field)}
        if not changed:
            return None
        age = now - seconds(jobset["metadata"]["creationTimestamp"]) if jobset is not None else 0.0
        wait = status.settling(train_job, new, jobset, age=age)
        if wait is not None:
            return wait
        metadata = {"resourceVersion": train_job["metadata"]["resourceVersion"]}
        namespace, name = key_of(train_job)
        patch = {"metadata": metadata, "status": changed}
        self._client.patch(TRAINJOBS, name, patch, namespace=namespace, subresource="status")
        return None

    def _delete(self, jobset: Object) -> None:
        # After the status, which keeps the job from being built again; on failure the next reconcile comes back here.
        if jobset["metadata"].get("deletionTimestamp"):
            return
        namespace, name = key_of(jobset)
        try:
            self._client.delete(JOBSETS, name, namespace=namespace, uid=jobset["metadata"]["uid"])
        except errors.NotFound:
            _log.debug("JobSet %s/%s was gone already", namespace, name)

    def _warn(self, train_job: Object, error: errors.TrainJobError) -> None:
        text = str(error)
        text = text if len(text) <= _ERROR_LIMIT else text[:_ERROR_LIMIT] + " ..."
        message = f"TrainJob resources reconciliation failed: {text}"
        self._recorder.record(train_job, kind=events.WARNING, reason=CREATION_FAILED, message=message)


def to_referring(train_jobs: Informer) -> Mapper:
    """Return a mapper from a runtime to the unfinished TrainJobs that refer to it: those that wait for it are built."""

    def mapper(runtime: Object) -> Iterable[Key]:
        for train_job in train_jobs.list(runtime["metadata"].get("namespace")):
            _, kind, name = reference(train_job)
            refers = (kind, name) == (runtime["kind"], runtime["metadata"]["name"])
            if refers and not status.finished(train_job.get("status") or {}):
                yield key_of(train_job)

    return mapper


def _ours_to_reconcile(train_job: Object) -> bool:
    managed_by = train_job["spec"].get("managedBy") or MANAGED_BY_TRAINER
    # Whatever is built while the garbage collector works, it would have to collect again.
    return managed_by == MANAGED_BY_TRAINER and not train_job["metadata"].get("deletionTimestamp")


def _owned(jobset: Object, train_job: Object) -> bool:
    owner = controller_of(jobset)
    return owner is not None and owner["uid"] == train_job["metadata"]["uid"]


def _check_owned(resource: Resource, found: Object, train_job: Object) -> None:
    """Refuse to take over an object of the job's name: it stays whose it is."""
    if _owned(found, train_job):
        return
    owner, name = controller_of(found), found["metadata"]["name"]
    if owner is not None and (owner["kind"], owner["name"]) == (TRAINJOBS.kind, name):
        raise errors.Conflict(409, "Conflict", f"the {resource.kind} of an earlier job of this name is still there")
    raise BuildError(
        f"there is a {resource.kind} {name!r} that does not belong to this TrainJob. Delete it, or give the TrainJob "
        "another name."
    )


def _may_build(train_job: Object, jobset: Object | None) -> bool:
    """Say whether the JobSet is to be made or changed: a running one is never touched."""
    return jobset is None or bool(train_job["spec"].get("suspend") or jobset["spec"].get("suspend"))


def _says(train_job: Object, message: str) -> bool:
    found = (train_job.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == status.FAILED and condition.get("message") == message for condition in found)
