"""The controllers put together: informers, reconcilers and what wakes them.

The daemon runs them on the in-process transport. They work on any API server: where JobSet's own controller runs,
``jobset=False`` leaves JobSets to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBS,
    JOBSETS,
    SERVICES,
    TRAININGRUNTIMES,
    TRAINJOBS,
)
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.controller.events import Recorder
from jupyter_trainjob.controller.jobset import reconciler as jobset_reconciler
from jupyter_trainjob.controller.jobset.reconciler import JobSetReconciler
from jupyter_trainjob.controller.snapshot import Snapshots
from jupyter_trainjob.controller.trainjob import CONTROLLER, TrainJobReconciler, to_referring
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller, to_controller
from jupyter_trainjob.kube.informer import Informer

WORKERS = 2
"""Reconciles at a time per kind. More would wait for one another: the work between two writes holds Python's lock."""


def controllers(client: Client, *, jobset: bool = True, namespace: str | None = None) -> list[Controller]:
    """Return the controllers of TrainJobs and, unless somebody else has them, JobSets; not started.

    They share informers, so stop them together. `namespace` confines them to one namespace.
    """
    jobsets = Informer(client, JOBSETS, namespace=namespace)
    found = [_train_jobs(client, jobsets, namespace)]
    if jobset:
        found.append(_jobsets(client, jobsets, namespace))
    return found


def _train_jobs(client: Client, jobsets: Informer, namespace: str | None) -> Controller:
    train_jobs = Informer(client, TRAINJOBS, namespace=namespace)
    runtimes = {
        CLUSTERTRAININGRUNTIMES.kind: Informer(client, CLUSTERTRAININGRUNTIMES),
        TRAININGRUNTIMES.kind: Informer(client, TRAININGRUNTIMES, namespace=namespace),
    }
    reconciler = TrainJobReconciler(
        client,
        train_jobs=train_jobs,
        jobsets=jobsets,
        snapshots=Snapshots(client, runtimes),
        recorder=Recorder(client, controller=CONTROLLER),
    )
    controller = Controller("trainjob", reconciler, workers=WORKERS)
    controller.watch(train_jobs)
    controller.watch(jobsets, to_controller(TRAINJOBS.kind))
    for runtime in runtimes.values():
        controller.watch(runtime, to_referring(train_jobs))
    return controller


def _jobsets(client: Client, jobsets: Informer, namespace: str | None) -> Controller:
    jobs = Informer(client, JOBS, namespace=namespace, labels=JOBSET_NAME)
    services = Informer(client, SERVICES, namespace=namespace)
    reconciler = JobSetReconciler(
        client,
        jobsets=jobsets,
        jobs=jobs,
        services=services,
        recorder=Recorder(client, controller=jobset_reconciler.CONTROLLER),
    )
    controller = Controller("jobset", reconciler, workers=WORKERS)
    controller.watch(jobsets)
    controller.watch(jobs, to_controller(JOBSETS.kind))
    controller.watch(services, to_controller(JOBSETS.kind))
    return controller


class Manager:
    """Controllers as one thing to start and stop."""

    def __init__(self, controllers: Iterable[Controller]) -> None:
        self._controllers = tuple(controllers)

    def start(self) -> None:
        """Start all controllers; does not block."""
        for controller in self._controllers:
            controller.start()

    def stop(self) -> None:
        """Stop all controllers and wait for what runs."""
        for controller in self._controllers:
            controller.stop()
