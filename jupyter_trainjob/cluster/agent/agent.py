"""The agent of the embedded cluster, what kubelet is on a node: it runs the pods that are bound to this computer.

In: the pods of the API whose ``spec.nodeName`` is this node. Out: their programs and their status, the Node object, and
the logs that the API server serves. It holds nothing that a folder does not say: killed at any moment, a new agent
over the same folder goes on, and no program notices.
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
from jupyter_trainjob.api.resources import PODS, Object
from jupyter_trainjob.cluster.agent import means, network
from jupyter_trainjob.cluster.agent.changes import Changes
from jupyter_trainjob.cluster.agent.container import Agency, PodKeeper
from jupyter_trainjob.cluster.agent.gpus import Gpu
from jupyter_trainjob.cluster.agent.isolation import Isolation, probe
from jupyter_trainjob.cluster.agent.limits import Enforcement
from jupyter_trainjob.cluster.agent.logs import Logs
from jupyter_trainjob.cluster.agent.means import Means
from jupyter_trainjob.cluster.agent.node import NodeStatus, cpus
from jupyter_trainjob.cluster.agent.pacing import Pacing
from jupyter_trainjob.cluster.agent.pod import PodWorker
from jupyter_trainjob.cluster.agent.prepare import Host
from jupyter_trainjob.cluster.agent.refresh import Refresher
from jupyter_trainjob.cluster.agent.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.warm import Limits, WarmPool
from jupyter_trainjob.constants import NODE_NAME
from jupyter_trainjob.controller.events import Recorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer

COMPONENT = "jupyter-trainjob-agent"
SYNC_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Agent:
    """Runs pods as processes. One per folder; a second one is refused."""

    def __init__(
        self,
        client: Client,
        root: Path,
        *,
        node: str = NODE_NAME,
        default_python: str = sys.executable,
        warm: tuple[str, ...] = (),
        warm_limits: Limits | None = None,
        keep: PodKeeper | None = None,
        isolation: Isolation | None = None,
        devices: Sequence[Gpu] | None = None,
        enforcement: Enforcement | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare an agent.

        `isolation`, `devices` and `enforcement` override what is found on this computer: tests run all ways.
        """
        found = means.devices() if devices is None else devices
        self._means = Means(root, claims=root / "claims", devices=found, enforcement=enforcement)
        self._clock = clock
        self._client = client
        self._root = root
        self._default_python = default_python
        self._warm = warm
        self._keep = keep
        self._isolation: Future[Isolation] = Future()
        if isolation is not None:
            self._isolation.set_result(isolation)
        self._pods = root / "pods"
        self._pods.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._changes = Changes()
        self._pool = WarmPool(root / "warm", warm_limits)
        self._ports = network.PortLeases(root / "ports.json")
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._workers: dict[str, PodWorker] = {}
        self._complete = False
        """Whether all pods of the node have their workers: until then nobody knows whose a lease is."""
        self._informer = Informer(client, PODS, fields=f"spec.nodeName={node}")
        self._status = NodeStatus(client, node, found)
        self._refresher = Refresher(client, self._means, self._volumes)
        self._held: BinaryIO | None = None
        self.logs = Logs(self._pods, self._changes)

    def start(self) -> None:
        """Register the node, take over what runs, and run what comes."""
        self._held = self._hold()
        if not self._isolation.done():
            threading.Thread(target=self._probe, name="isolation", daemon=True).start()
        for python in self._warm:
            self._pool.start(python)
        self._status.start()
        agency = Agency(
            pods=self._pods,
            host=Host(self._client, self._default_python, self._isolation, self._ports, cpus(), self._means),
            events=Recorder(self._client, controller=COMPONENT),
            pool=self._pool,
            pacing=Pacing(cpus()),
            changes=self._changes,
            keep=self._keep,
            stopped=self._stopped,
            forget=self._forget,
            clock=self._clock,
        )
        self._informer.on_change(lambda old, new: self._on_change(agency, old, new))
        self._informer.start()
        if not self._informer.wait_synced(SYNC_SECONDS):
            raise errors.ClusterError("the agent could not list its pods; the daemon's log says why")
        self._remove_leftovers(agency)
        self._refresher.start()

    def stop(self) -> None:
        """End the agent. Programs go on; the next agent over the same folder takes them over."""
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
        if self._held is not None:
            self._held.close()

    def _volumes(self) -> list[tuple[Object, Path]]:
        with self._lock:
            workers = list(self._workers.values())
        return [(worker.pod, Sandbox(self._pods / worker.uid).volumes) for worker in workers]

    def _hold(self) -> BinaryIO:
        file = (self._root / "agent.lock").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise errors.ClusterError(f"another agent runs the pods of {self._root}; stop it first") from None
        return file

    def _probe(self) -> None:
        try:
            found = probe()
        except Exception as error:  # noqa: BLE001 - whatever went wrong, pods can run without namespaces
            found = Isolation(refusal=f"looking for namespaces failed ({error})")
        if found.refusal:
            _log.warning("pods run without namespaces: %s", found.refusal)
        self._isolation.set_result(found)

    def _on_change(self, agency: Agency, old: Object | None, new: Object | None) -> None:
        before = old["metadata"]["uid"] if old else None
        after = new["metadata"]["uid"] if new else None
        if before is not None and before != after and (worker := self._workers.get(before)):
            worker.removed()
        if new is None or after is None:
            return
        with self._lock:
            worker = self._workers.get(after)
            if worker is None:
                self._workers[after] = created = PodWorker(agency, new)
        if worker is None:
            created.start()
        else:
            worker.update(new)

    def _remove_leftovers(self, agency: Agency) -> None:
        """End what belongs to pods that were removed while no agent ran."""
        for folder in self._pods.iterdir():
            with self._lock:
                known = folder.name in self._workers
            if known:
                continue
            box = Sandbox(folder)
            pod = box.pod()
            if pod is None:
                box.remove()
                continue
            worker = PodWorker(agency, pod)
            with self._lock:
                self._workers[worker.uid] = worker
            worker.removed()
            worker.start()
        with self._lock:
            self._complete = True
            self._release_leases()

    def _forget(self, uid: str) -> None:
        with self._lock:
            self._workers.pop(uid, None)
            self._release_leases()

    def _release_leases(self) -> None:
        """Take back the ports and GPUs of pods that are gone; under the lock, so that none comes meanwhile."""
        if self._complete:
            self._ports.keep({network.lease_key(worker.pod) for worker in self._workers.values()})
            self._means.gpus.keep(self._workers)
