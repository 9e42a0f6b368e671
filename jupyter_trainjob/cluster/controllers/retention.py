"""Delete finished jobs after some days, and the oldest ones beyond a total size.

A stopped (suspended) job is not finished: it can be resumed at any time.
Only the root object is deleted here (a TrainJob, or a JobSet, Job or Pod without an owner); the garbage collector, the
agent and `trainjob_cleanup` delete its dependents, logs, folder and history. Claims hold the user's files and stay. The
history of jobs on other clusters is deleted by the time of its last read.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import JOBS, JOBSETS, PODS, TRAINJOBS, KubeObject, Resource
from jupyter_trainjob.cluster.idle_detection import FINISHED_CONDITIONS, is_unfinished
from jupyter_trainjob.cluster.state.cluster_settings import Settings
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.constants import DRAFT_PREFIX
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.history import History

DAY = 86_400.0
GIB = 2**30

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A finished root object and the disk space of its logs, folder and history."""

    uid: str
    finished: float
    size: int


def choose_expired(finished: Iterable[FinishedJob], settings: Settings, *, now: float, in_use: int = 0) -> list[str]:
    """Return the uids of the jobs to delete; `in_use` is the size in bytes of unfinished jobs."""
    oldest_first = sorted(finished, key=lambda job: job.finished)
    excess = in_use + sum(job.size for job in oldest_first) - settings.keep_gib * GIB
    expired = []
    for job in oldest_first:
        too_old = settings.keep_days and job.finished < now - settings.keep_days * DAY
        too_large = settings.keep_gib and excess > 0 and job.size > 0
        if too_old or too_large:
            expired.append(job.uid)
            excess -= job.size
    return expired


class Retention:
    """Deletes finished jobs beyond the limits of the settings, and abandoned folders and histories."""

    def __init__(
        self,
        client: Client,
        history: History,
        state: StateDir,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._history = history
        self._state = state
        self._settings = settings
        self._clock = clock

    def delete_expired(self) -> int:
        """Delete expired jobs, folders and histories; return the number of jobs."""
        objects = {
            obj["metadata"]["uid"]: (resource, obj)
            for resource in (TRAINJOBS, JOBSETS, JOBS, PODS)
            for obj in self._client.list(resource).items
        }
        sizes = self._sizes(objects)
        roots = [(resource, obj) for resource, obj in objects.values() if not _controller_uid(obj)]
        finished = {obj["metadata"]["uid"]: (resource, obj) for resource, obj in roots if _is_finished(resource, obj)}
        finished_jobs = [
            FinishedJob(uid, _finished_at(resource, obj), sizes.get(uid, 0))
            for uid, (resource, obj) in finished.items()
        ]
        in_use = sum(size for uid, size in sizes.items() if uid not in finished)
        expired = choose_expired(finished_jobs, self._settings, now=self._clock(), in_use=in_use)
        for uid in expired:
            self._delete(*finished[uid])
        self._delete_old_history(set(objects))
        self._delete_abandoned_folders(obj for resource, obj in objects.values() if resource is TRAINJOBS)
        return len(expired)

    def _sizes(self, objects: dict[str, tuple[Resource, KubeObject]]) -> dict[str, int]:
        """Return the disk usage in bytes by the uid of the root object."""
        sizes: dict[str, int] = dict(self._history.sizes())
        # Files shared by forks are freed with the last of them, so they count for the newest.
        newest_first = sorted(
            objects.items(), key=lambda item: item[1][1]["metadata"]["creationTimestamp"], reverse=True
        )
        counted: set[tuple[int, int]] = set()
        for uid, (resource, obj) in newest_first:
            if resource is PODS:
                root = _root_uid(uid, objects)
                sizes[root] = sizes.get(root, 0) + disk_usage(self._state.agent / "pods" / uid, counted)
            elif resource is TRAINJOBS:
                folder = self._state.jobs / obj["metadata"]["namespace"] / obj["metadata"]["name"]
                sizes[uid] = sizes.get(uid, 0) + disk_usage(folder, counted)
        return sizes

    def _delete(self, resource: Resource, obj: KubeObject) -> None:
        metadata = obj["metadata"]
        try:
            self._client.delete(resource, metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"])
        except (errors.NotFound, errors.Conflict):
            return  # deleted or replaced meanwhile
        _log.info("deleted expired %s %s/%s", resource.kind, metadata["namespace"], metadata["name"])

    def _delete_old_history(self, existing: set[str]) -> None:
        if self._settings.keep_days:
            for uid in self._history.unread_since(self._clock() - self._settings.keep_days * DAY):
                if uid not in existing:
                    self._history.delete_job(uid)
        self._history.shrink()

    def _delete_abandoned_folders(self, trainjobs: Iterable[KubeObject]) -> None:
        """Remove folders without a job, left by a client or daemon that was killed.

        A client creates a draft, then the folder, then the job. So only those older than a day are removed.
        """
        job_keys = {(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in trainjobs}
        for draft in self._state.jobs.glob(f"{DRAFT_PREFIX}*"):
            with suppress(OSError):
                if draft.stat().st_mtime < self._clock() - DAY:
                    draft.unlink()
        for folder in self._state.jobs.glob("[!.]*/*"):
            with suppress(OSError):  # removed meanwhile
                old = folder.stat().st_mtime < self._clock() - DAY
                if old and (folder.parent.name, folder.name) not in job_keys:
                    shutil.rmtree(folder)


def disk_usage(folder: Path, counted: set[tuple[int, int]] | None = None) -> int:
    """Return the disk usage of a folder in bytes, without symlink targets; adds hard-linked files to `counted`.

    Files (device and inode) in `counted` are left out.
    """
    counted = set() if counted is None else counted
    total, folders = 0, [folder]
    while folders:
        with suppress(OSError):  # removed meanwhile
            for entry in os.scandir(folders.pop()):
                status = entry.stat(follow_symlinks=False)
                file = status.st_dev, status.st_ino
                total += 0 if file in counted else status.st_blocks * 512
                if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                    counted.add(file)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
    return total


def _is_finished(resource: Resource, obj: KubeObject) -> bool:
    if obj["spec"].get("suspend"):
        return any(conditions.is_true(obj, end) for end in FINISHED_CONDITIONS.get(resource, ()))
    return not is_unfinished(resource.kind, obj)


def _controller_uid(obj: KubeObject) -> str | None:
    owners = obj["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)


def _root_uid(uid: str, objects: dict[str, tuple[Resource, KubeObject]]) -> str:
    while (owner := _controller_uid(objects[uid][1])) in objects:
        uid = str(owner)
    return uid


def _finished_at(resource: Resource, obj: KubeObject) -> float:
    status = obj.get("status") or {}
    condition_types = FINISHED_CONDITIONS.get(resource, ())
    moments = [c.get("lastTransitionTime") for c in status.get("conditions") or [] if c["type"] in condition_types]
    moments += [
        (container.get("state") or {}).get("terminated", {}).get("finishedAt")
        for container in status.get("containerStatuses") or []
    ]
    timestamps = [times.unix_seconds(moment) for moment in moments if moment]
    return max(timestamps, default=times.unix_seconds(obj["metadata"]["creationTimestamp"]))
