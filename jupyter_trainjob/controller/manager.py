"""Build the controllers: informers, reconcilers and the mappings between them.

The daemon runs them on the in-process transport, `controller_process` on any API server: where JobSet's own controller
runs, ``reconcilers`` without ``jobset`` leaves JobSets to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Final

from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBS,
    JOBSETS,
    SERVICES,
    TRAININGRUNTIMES,
    TRAINJOBS,
)
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.controller.event_recorder import EventRecorder
from jupyter_trainjob.controller.framework.phases import Plugin
from jupyter_trainjob.controller.jobset import jobset_reconciler
from jupyter_trainjob.controller.jobset.jobset_reconciler import JobSetReconciler
from jupyter_trainjob.controller.runtime_snapshot import RuntimeSnapshots
from jupyter_trainjob.controller.trainjob_reconciler import CONTROLLER, TrainJobReconciler, to_referring_jobs
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller, to_controller
from jupyter_trainjob.kube.informer import Informer

WORKERS = 2
"""Concurrent reconciles per kind. More would wait for one another, because of the GIL."""


RECONCILERS: Final = frozenset({"trainjob", "jobset"})


def build_controllers(
    client: Client,
    *,
    reconcilers: Set[str] = RECONCILERS,
    namespace: str | None = None,
    gated_plugins: tuple[Plugin, ...] = (),
) -> list[Controller]:
    """Return the controllers of TrainJobs and of JobSets, or one of the two; not started.

    They share informers, so stop them together. `namespace` restricts them to one namespace; `gated_plugins` are those
    of feature gates that are on.
    """
    jobsets = Informer(client, JOBSETS, namespace=namespace)
    controllers = []
    if "trainjob" in reconcilers:
        controllers.append(_train_jobs(client, jobsets, namespace, gated_plugins))
    if "jobset" in reconcilers:
        controllers.append(_jobsets(client, jobsets, namespace))
    return controllers


def _train_jobs(
    client: Client, jobsets: Informer, namespace: str | None, gated_plugins: tuple[Plugin, ...]
) -> Controller:
    train_jobs = Informer(client, TRAINJOBS, namespace=namespace)
    runtimes = {
        CLUSTERTRAININGRUNTIMES.kind: Informer(client, CLUSTERTRAININGRUNTIMES),
        TRAININGRUNTIMES.kind: Informer(client, TRAININGRUNTIMES, namespace=namespace),
    }
    reconciler = TrainJobReconciler(
        client,
        train_jobs=train_jobs,
        jobsets=jobsets,
        snapshots=RuntimeSnapshots(client, runtimes),
        recorder=EventRecorder(client, controller=CONTROLLER),
        gated_plugins=gated_plugins,
    )
    controller = Controller("trainjob", reconciler, workers=WORKERS)
    controller.watch(train_jobs)
    controller.watch(jobsets, to_controller(TRAINJOBS.kind))
    for runtime in runtimes.values():
        controller.watch(runtime, to_referring_jobs(train_jobs))
    return controller


def _jobsets(client: Client, jobsets: Informer, namespace: str | None) -> Controller:
    jobs = Informer(client, JOBS, namespace=namespace, labels=JOBSET_NAME)
    services = Informer(client, SERVICES, namespace=namespace)
    reconciler = JobSetReconciler(
        client,
        jobsets=jobsets,
        jobs=jobs,
        services=services,
        recorder=EventRecorder(client, controller=jobset_reconciler.CONTROLLER),
    )
    controller = Controller("jobset", reconciler, workers=WORKERS)
    controller.watch(jobsets)
    controller.watch(jobs, to_controller(JOBSETS.kind))
    controller.watch(services, to_controller(JOBSETS.kind))
    return controller


class Manager:
    """Starts and stops several controllers together."""

    def __init__(self, controllers: Iterable[Controller]) -> None:
        self._controllers = tuple(controllers)

    def start(self) -> None:
        """Start all controllers; does not block."""
        self.start_informers()
        self.start_workers()

    def start_informers(self) -> None:
        """Start to list and watch, without reconciling; does not block."""
        for controller in self._controllers:
            controller.start_informers()

    def wait_synced(self, timeout: float) -> bool:
        """Wait until all informers have their first lists; return False after about `timeout` seconds."""
        return all(controller.wait_synced(timeout) for controller in self._controllers)

    def start_workers(self) -> None:
        """Reconcile what changes; does not block."""
        for controller in self._controllers:
            controller.start_workers()

    def stop(self) -> None:
        """Stop all controllers and wait for what runs."""
        for controller in self._controllers:
            controller.stop()
