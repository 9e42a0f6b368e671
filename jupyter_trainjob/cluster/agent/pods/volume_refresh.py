"""Update mounted ConfigMaps and Secrets while containers run.

In: changes of these objects, from one watch for each kind. Out: updated volumes of the pods that mount them; when a
watch starts, of all pods, because earlier changes are not known. kubelet updates about once a minute; here updates are
immediate. As on a real node, ``subPath`` mounts and variables are not updated.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, KubeObject, Resource
from jupyter_trainjob.cluster.agent.containers.node_resources import NodeResources
from jupyter_trainjob.cluster.agent.containers.preparation import cached_finder
from jupyter_trainjob.cluster.agent.start_errors import StartRefused
from jupyter_trainjob.cluster.agent.volumes import pod_volumes, volume_contents
from jupyter_trainjob.cluster.agent.volumes.pod_volumes import VolumeFolders
from jupyter_trainjob.cluster.agent.volumes.volume_contents import PodContext
from jupyter_trainjob.kube.client import Client, Watch

RETRY_SECONDS = 1.0
_NOTHING = "metadata.name=-"
"""A selector that matches no object, to read only the current resourceVersion."""

_log = logging.getLogger(__name__)


class VolumeUpdater:
    """Updates the volumes of an agent's pods."""

    def __init__(
        self, client: Client, resources: NodeResources, pods: Callable[[], Iterable[tuple[KubeObject, Path]]]
    ) -> None:
        """`pods` returns each pod of the node with the folder of its volumes."""
        self._client = client
        self._resources = resources
        self._pods = pods
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._watches: dict[Resource, Watch] = {}
        self._threads = [
            threading.Thread(target=self._follow, args=(resource,), name=f"refresh-{resource.plural}", daemon=True)
            for resource in (CONFIGMAPS, SECRETS)
        ]

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the watches."""
        self._stopped.set()
        with self._lock:
            watches = list(self._watches.values())
        for watch in watches:
            watch.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5)

    def _follow(self, resource: Resource) -> None:
        while not self._stopped.is_set():
            try:
                version = self._client.list(resource, fields=_NOTHING).resource_version
                watch = self._client.watch(resource, resource_version=version)
                with self._lock:
                    self._watches[resource] = watch
                if self._stopped.is_set():
                    watch.close()
                self._update(lambda pod: bool(volume_contents.referenced_objects(pod)))
                for event in watch:
                    if event.type == "MODIFIED":
                        self._changed(resource, event.object)
            except errors.TrainJobError as error:  # noqa: PERF203
                _log.info("watching %s for mounted volumes: %s; trying again", resource.plural, error)
                self._stopped.wait(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - one pod like no other must not keep those of all others as they are
                _log.exception("watching %s for mounted volumes failed; trying again", resource.plural)
                self._stopped.wait(RETRY_SECONDS)

    def _changed(self, resource: Resource, obj: KubeObject) -> None:
        metadata = obj["metadata"]
        mounted = (resource, str(metadata["name"]))
        self._update(
            lambda pod: (
                pod["metadata"]["namespace"] == metadata["namespace"]
                and mounted in volume_contents.referenced_objects(pod)
            )
        )

    def _update(self, concerns: Callable[[KubeObject], bool]) -> None:
        for pod, folder in self._pods():
            ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            if ended or not folder.is_dir() or not concerns(pod):
                continue
            asker = PodContext(
                pod, cached_finder(self._client, pod["metadata"]["namespace"]), self._resources.allocatable
            )
            try:
                pod_volumes.update_volumes(asker, VolumeFolders(folder, self._resources.claims))
            except (StartRefused, OSError) as error:
                _log.warning("pod %s: its volumes were not renewed: %s", pod["metadata"]["name"], error)
