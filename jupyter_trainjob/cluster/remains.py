"""What belongs to a TrainJob outside of the API goes when it goes: kept history, and its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from jupyter_trainjob.api.resources import TRAINJOBS, Object
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.metrics.history import History


def controller(client: Client, history: History, jobs: Path) -> Controller:
    """Return the controller that removes what deleted TrainJobs left behind."""
    trainjobs = Informer(client, TRAINJOBS)
    remains = Remains(trainjobs, history, jobs)
    controller = Controller("remains", remains)
    trainjobs.on_change(remains.remember)
    controller.watch(trainjobs)
    return controller


class Remains:
    """Removes the remains of one TrainJob once it is gone."""

    def __init__(self, trainjobs: Informer, history: History, jobs: Path) -> None:
        self._trainjobs = trainjobs
        self._history = history
        self._jobs = jobs
        self._uids: dict[tuple[str, str], str] = {}

    def remember(self, old: Object | None, new: Object | None) -> None:
        """Note the uid of a TrainJob: when it is gone, nothing else tells it."""
        seen = new or old
        if seen is not None:
            metadata = seen["metadata"]
            self._uids[metadata["namespace"], metadata["name"]] = metadata["uid"]

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Remove history and folder of a TrainJob that is no longer there."""
        if self._trainjobs.get(name, namespace) is None:
            uid = self._uids.pop((namespace, name), None)
            if uid is not None:
                self._history.forget(uid)
            shutil.rmtree(self._jobs / namespace / name, ignore_errors=True)
        return None
