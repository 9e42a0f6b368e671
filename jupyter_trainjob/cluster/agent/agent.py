"""The agent of the embedded cluster, the counterpart of kubelet: runs the pods that are bound to this node.

In: the pods whose ``spec.nodeName`` is this node. Out: their containers and status, the Node object, and the logs that
the API server serves. All state is in its folder: after a kill at any moment a new agent with the same folder takes
over, and containers are not affected.
"""

from __future__ import annotations

import fcntl
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, KubeObject
from jupyter_trainjob.cluster.agent import network
from jupyter_trainjob.cluster.agent.containers import node_resources
from jupyter_trainjob.cluster.agent.containers.container_logs import PodLogs
from jupyter_trainjob.cluster.agent.containers.forkserver_pool import ForkServerPool, Limits
from jupyter_trainjob.cluster.agent.containers.isolation import Isolation, detect_isolation
from jupyter_trainjob.cluster.agent.containers.node_resources import NodeResources
from jupyter_trainjob.cluster.agent.containers.preparation import Host
from jupyter_trainjob.cluster.agent.containers.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.containers.start_throttle import StartThrottle
from jupyter_trainjob.cluster.agent.limits.container_limits import Enforcement
from jupyter_trainjob.cluster.agent.limits.gpus import Gpu
from jupyter_trainjob.cluster.agent.node import NodeStatus, cpu_count
from jupyter_trainjob.cluster.agent.pods.container import AgentContext, LogKeeper
from jupyter_trainjob.cluster.agent.pods.pod_worker import PodWorker
from jupyter_trainjob.cluster.agent.pods.volume_refresh import VolumeUpdater
from jupyter_trainjob.cluster.agent.volumes.dir_watch import DirWatch
from jupyter_trainjob.constants import NODE_NAME
from jupyter_trainjob.controller.event_recorder import EventRecorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer

COMPONENT = "jupyter-trainjob-agent"
SYNC_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Agent:
    """Runs pods as processes. One per folder; a second one raises `errors.ClusterError`."""

    def __init__(
        self,
        client: Client,
        root: Path,
        *,
        node: str = NODE_NAME,
        default_python: str = sys.executable,
        warm: tuple[str, ...] = (),
        warm_limits: Limits | None = None,
        keeper: LogKeeper | None = None,
        isolation: Isolation | None = None,
        devices: Sequence[Gpu] | None = None,
        enforcement: Enforcement | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare an agent.

        `isolation`, `devices` and `enforcement` override detection, for tests.
        """
        gpus = node_resources.detect_gpus() if devices is None else devices
        self._resources = NodeResources(root, claims=root / "claims", devices=gpus, enforcement=enforcement)
        self._clock = clock
        self._client = client
        self._root = root
        self._default_python = default_python
        self._warm = warm
        self._keeper = keeper
        self._isolation: Future[Isolation] = Future()
        if isolation is not None:
            self._isolation.set_result(isolation)
        self._pods = root / "pods"
        self._pods.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._changes = DirWatch()
        self._pool = ForkServerPool(root / "warm", warm_limits)
        self._ports = network.PortLeases(root / "ports.json")
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._workers: dict[str, PodWorker] = {}
        self._all_known = False
        """Whether all pods of the node have workers: until then leases must not be released."""
        self._informer = Informer(client, PODS, fields=f"spec.nodeName={node}")
        self._status = NodeStatus(client, node, gpus)
        self._refresher = VolumeUpdater(client, self._resources, self._volumes)
        self._lock_file: BinaryIO | None = None
        self.logs = PodLogs(self._pods, self._changes)

    def start(self) -> None:
        """Register the node, take over running pods, and run new ones."""
        self._lock_file = self._acquire_lock()
        if not self._isolation.done():
            threading.Thread(target=self._probe, name="isolation", daemon=True).start()
        for python in self._warm:
            self._pool.start(python)
        self._status.start()
        context = AgentContext(
            pods=self._pods,
            host=Host(self._client, self._default_python, self._isolation, self._ports, cpu_count(), self._resources),
            events=EventRecorder(self._client, controller=COMPONENT),
            pool=self._pool,
            pacing=StartThrottle(cpu_count()),
            changes=self._changes,
            keep=self._keeper,
            stopped=self._stopped,
            forget=self._remove_worker,
            clock=self._clock,
        )
        self._informer.on_change(lambda old, new: self._on_change(context, old, new))
        self._informer.start()
        if not self._informer.wait_synced(SYNC_SECONDS):
            raise errors.ClusterError("the agent could not list its pods; the daemon's log says why")
        self._remove_deleted_pods(context)
        self._refresher.start()

    def stop(self) -> None:
        """Stop the agent. Containers keep running; the next agent with the same folder takes them over."""
        self._stopped.set()
        self._refresher.stop()
        self._informer.stop()
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.detach()
        self._pool.stop()
        self._changes.stop()
        self._status.stop()
        if self._lock_file is not None:
            self._lock_file.close()

    def _volumes(self) -> list[tuple[KubeObject, Path]]:
        with self._lock:
            workers = list(self._workers.values())
        return [(worker.pod, Sandbox(self._pods / worker.uid).volumes) for worker in workers]

    def _acquire_lock(self) -> BinaryIO:
        file = (self._root / "agent.lock").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise errors.ClusterError(f"another agent runs the pods of {self._root}; stop it first") from None
        return file

    def _probe(self) -> None:
        try:
            isolation = detect_isolation()
        except Exception as error:  # noqa: BLE001 - pods can run without namespaces
            isolation = Isolation(refusal=f"detecting namespaces failed ({error})")
        if isolation.refusal:
            _log.warning("pods run without namespaces: %s", isolation.refusal)
        self._isolation.set_result(isolation)

    def _on_change(self, context: AgentContext, old: KubeObject | None, new: KubeObject | None) -> None:
        old_uid = old["metadata"]["uid"] if old else None
        new_uid = new["metadata"]["uid"] if new else None
        if old_uid is not None and old_uid != new_uid and (worker := self._workers.get(old_uid)):
            worker.removed()
        if new is None or new_uid is None:
            return
        with self._lock:
            worker = self._workers.get(new_uid)
            if worker is None:
                self._workers[new_uid] = created = PodWorker(context, new)
        if worker is None:
            created.start()
        else:
            worker.update(new)

    def _remove_deleted_pods(self, context: AgentContext) -> None:
        """Stop and remove pods that were deleted while no agent ran."""
        for folder in self._pods.iterdir():
            with self._lock:
                has_worker = folder.name in self._workers
            if has_worker:
                continue
            sandbox = Sandbox(folder)
            pod = sandbox.pod()
            if pod is None:
                sandbox.remove()
                continue
            worker = PodWorker(context, pod)
            with self._lock:
                self._workers[worker.uid] = worker
            worker.removed()
            worker.start()
        with self._lock:
            self._all_known = True
            self._release_leases()

    def _remove_worker(self, uid: str) -> None:
        with self._lock:
            self._workers.pop(uid, None)
            self._release_leases()

    def _release_leases(self) -> None:
        """Release the ports and GPUs of deleted pods; the caller holds the lock, so that no pod is added meanwhile."""
        if self._all_known:
            self._ports.release_others({network.lease_key(worker.pod) for worker in self._workers.values()})
            self._resources.gpus.release_others(self._workers)
