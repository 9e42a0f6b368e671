"""How long finished jobs stay: so many days, and no longer than all of them fit into so many bytes, oldest first.

A stopped (suspended) job is not finished: it waits to be resumed, however long.
What goes is the object at the top (a TrainJob, or a JobSet, Job or Pod that nobody owns); the garbage collector, the
agent and `remains` take what belongs to it: objects, logs, folder, history. Claims hold the user's own files and
stay. History of jobs on other clusters goes by when something was last read of them.
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
from jupyter_trainjob.api.resources import JOBS, JOBSETS, PODS, TRAINJOBS, Object, Resource
from jupyter_trainjob.cluster.idle import FINISHED, is_unfinished
from jupyter_trainjob.cluster.settings import Settings
from jupyter_trainjob.cluster.state import StateDir
from jupyter_trainjob.constants import DRAFT_PREFIX
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.history import History

DAY = 86_400.0
GIB = 2**30

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """Something finished that takes space."""

    uid: str
    finished: float
    size: int


def choose(kept: Iterable[Kept], settings: Settings, *, now: float, in_use: int = 0) -> list[str]:
    """Return the uids of those that go. `in_use` is what unfinished jobs take of the space: they are never chosen."""
    oldest_first = sorted(kept, key=lambda one: one.finished)
    excess = in_use + sum(one.size for one in oldest_first) - settings.keep_gib * GIB
    gone = []
    for one in oldest_first:
        too_old = settings.keep_days and one.finished < now - settings.keep_days * DAY
        too_much = settings.keep_gib and excess > 0 and one.size > 0
        if too_old or too_much:
            gone.append(one.uid)
            excess -= one.size
    return gone


class Retention:
    """Deletes what is old or too much."""

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

    def sweep(self) -> int:
        """Delete what has to go; return how many objects that were."""
        objects = {
            obj["metadata"]["uid"]: (resource, obj)
            for resource in (TRAINJOBS, JOBSETS, JOBS, PODS)
            for obj in self._client.list(resource).items
        }
        sizes = self._sizes(objects)
        roots = [(resource, obj) for resource, obj in objects.values() if not _owner(obj)]
        finished = {obj["metadata"]["uid"]: (resource, obj) for resource, obj in roots if _is_finished(resource, obj)}
        kept = [Kept(uid, _finished_at(resource, obj), sizes.get(uid, 0)) for uid, (resource, obj) in finished.items()]
        in_use = sum(size for uid, size in sizes.items() if uid not in finished)
        gone = choose(kept, self._settings, now=self._clock(), in_use=in_use)
        for uid in gone:
            self._delete(*finished[uid])
        self._sweep_history(set(objects))
        self._sweep_folders(obj for resource, obj in objects.values() if resource is TRAINJOBS)
        return len(gone)

    def _sizes(self, objects: dict[str, tuple[Resource, Object]]) -> dict[str, int]:
        """Return the bytes of what lies on the disk, by the uid of what is at the top."""
        sizes: dict[str, int] = dict(self._history.sizes())
        # What forks share on the disk goes with the last of them, so it counts for the newest.
        newest_first = sorted(objects.items(), key=lambda one: one[1][1]["metadata"]["creationTimestamp"], reverse=True)
        counted: set[tuple[int, int]] = set()
        for uid, (resource, obj) in newest_first:
            if resource is PODS:
                root = _root(uid, objects)
                sizes[root] = sizes.get(root, 0) + size_of(self._state.agent / "pods" / uid, counted)
            elif resource is TRAINJOBS:
                folder = self._state.jobs / obj["metadata"]["namespace"] / obj["metadata"]["name"]
                sizes[uid] = sizes.get(uid, 0) + size_of(folder, counted)
        return sizes

    def _delete(self, resource: Resource, obj: Object) -> None:
        metadata = obj["metadata"]
        try:
            self._client.delete(resource, metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"])
        except (errors.NotFound, errors.Conflict):
            return  # Somebody was faster.
        _log.info("%s %s/%s was kept long enough", resource.kind, metadata["namespace"], metadata["name"])

    def _sweep_history(self, known: set[str]) -> None:
        if self._settings.keep_days:
            for uid in self._history.unread_since(self._clock() - self._settings.keep_days * DAY):
                if uid not in known:
                    self._history.forget(uid)
        self._history.shrink()

    def _sweep_folders(self, trainjobs: Iterable[Object]) -> None:
        """Remove folders without a job: who sent it, or the daemon when it went, was killed before it could do so.

        Folders come before their job, so those of the last day may be of one that is just being sent; and before these
        come drafts of what they are to hold.
        """
        known = {(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in trainjobs}
        for draft in self._state.jobs.glob(f"{DRAFT_PREFIX}*"):
            with suppress(OSError):
                if draft.stat().st_mtime < self._clock() - DAY:
                    draft.unlink()
        for folder in self._state.jobs.glob("[!.]*/*"):
            with suppress(OSError):  # it went while we looked
                old = folder.stat().st_mtime < self._clock() - DAY
                if old and (folder.parent.name, folder.name) not in known:
                    shutil.rmtree(folder)


def size_of(folder: Path, counted: set[tuple[int, int]] | None = None) -> int:
    """Return the bytes that a folder takes on the disk, without what is mounted in it, nor what is `counted`."""
    counted = set() if counted is None else counted
    total, folders = 0, [folder]
    while folders:
        with suppress(OSError):  # It went while we looked.
            for entry in os.scandir(folders.pop()):
                status = entry.stat(follow_symlinks=False)
                file = status.st_dev, status.st_ino
                total += 0 if file in counted else status.st_blocks * 512
                if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                    counted.add(file)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
    return total


def _is_finished(resource: Resource, obj: Object) -> bool:
    if obj["spec"].get("suspend"):
        return any(conditions.is_true(obj, end) for end in FINISHED.get(resource, ()))
    return not is_unfinished(resource.kind, obj)


def _owner(obj: Object) -> str | None:
    owners = obj["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)


def _root(uid: str, objects: dict[str, tuple[Resource, Object]]) -> str:
    while (owner := _owner(objects[uid][1])) in objects:
        uid = str(owner)
    return uid


def _finished_at(resource: Resource, obj: Object) -> float:
    status = obj.get("status") or {}
    ends = FINISHED.get(resource, ())
    moments = [c.get("lastTransitionTime") for c in status.get("conditions") or [] if c["type"] in ends]
    moments += [
        (container.get("state") or {}).get("terminated", {}).get("finishedAt")
        for container in status.get("containerStatuses") or []
    ]
    known = [times.seconds(moment) for moment in moments if moment]
    return max(known, default=times.seconds(obj["metadata"]["creationTimestamp"]))
