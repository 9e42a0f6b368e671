"""Delete a TrainJob's history and folder after the TrainJob."""

from __future__ import annotations

import shutil
from pathlib import Path

from jupyter_trainjob.api.resources import TRAINJOBS, KubeObject
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.metrics.history import History


def controller(client: Client, history: History, jobs: Path) -> Controller:
    """Return the controller that cleans up after deleted TrainJobs; `jobs` is the parent of job folders."""
    trainjobs = Informer(client, TRAINJOBS)
    cleanup = TrainJobCleanup(trainjobs, history, jobs)
    cleanup_controller = Controller("trainjob-cleanup", cleanup)
    trainjobs.on_change(cleanup.record_uid)
    cleanup_controller.watch(trainjobs)
    return cleanup_controller


class TrainJobCleanup:
    """Deletes the history and the folder of deleted TrainJobs."""

    def __init__(self, trainjobs: Informer, history: History, jobs: Path) -> None:
        self._trainjobs = trainjobs
        self._history = history
        self._jobs = jobs
        self._uids: dict[tuple[str, str], str] = {}

    def record_uid(self, old: KubeObject | None, new: KubeObject | None) -> None:
        """Record the uid of a TrainJob, which is not known after its deletion."""
        trainjob = new or old
        if trainjob is not None:
            metadata = trainjob["metadata"]
            self._uids[metadata["namespace"], metadata["name"]] = metadata["uid"]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Delete the history and the folder of a TrainJob that does not exist."""
        if self._trainjobs.get(name, namespace) is None:
            uid = self._uids.pop((namespace, name), None)
            if uid is not None:
                self._history.delete_job(uid)
            shutil.rmtree(self._jobs / namespace / name, ignore_errors=True)
        return None
