"""Keeps mounted ConfigMaps and Secrets as they are in the API, while programs run.

In: changes of these objects, from one watch for each kind. Out: renewed volumes of the pods that mount them; when a
watch begins, of all pods, since what changed before it, maybe while no agent ran, is not known.
Kubelet looks every minute or so; here a change is there at once. Parts of volumes (``subPath``) stay as they were, and
so do variables, as on a real node. Nothing is remembered of objects that no running pod mounts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, Object, Resource
from jupyter_trainjob.cluster.agent import contents, volumes
from jupyter_trainjob.cluster.agent.contents import Asker
from jupyter_trainjob.cluster.agent.means import Means
from jupyter_trainjob.cluster.agent.prepare import looking
from jupyter_trainjob.cluster.agent.volumes import Shelf
from jupyter_trainjob.cluster.agent.waiting import Refused
from jupyter_trainjob.kube.client import Client, Watch

RETRY_SECONDS = 1.0
_NOTHING = "metadata.name=-"
"""A selector that no object fits: what is wanted is only the version of now."""

_log = logging.getLogger(__name__)


class Refresher:
    """Renews the volumes of an agent's pods."""

    def __init__(self, client: Client, means: Means, pods: Callable[[], Iterable[tuple[Object, Path]]]) -> None:
        """`pods` returns each pod of the node with the folder of its volumes."""
        self._client = client
        self._means = means
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
                self._renew(lambda pod: bool(contents.objects(pod)))
                for event in watch:
                    if event.type == "MODIFIED":
                        self._changed(resource, event.object)
            except errors.TrainJobError as error:  # noqa: PERF203
                _log.info("watching %s for mounted volumes: %s; trying again", resource.plural, error)
                self._stopped.wait(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - one pod like no other must not keep those of all others as they are
                _log.exception("watching %s for mounted volumes failed; trying again", resource.plural)
                self._stopped.wait(RETRY_SECONDS)

    def _changed(self, resource: Resource, obj: Object) -> None:
        metadata = obj["metadata"]
        mounted = (resource, str(metadata["name"]))
        self._renew(
            lambda pod: pod["metadata"]["namespace"] == metadata["namespace"] and mounted in contents.objects(pod)
        )

    def _renew(self, concerns: Callable[[Object], bool]) -> None:
        for pod, folder in self._pods():
            ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            if ended or not folder.is_dir() or not concerns(pod):
                continue
            asker = Asker(pod, looking(self._client, pod["metadata"]["namespace"]), self._means.allocatable)
            try:
                volumes.refresh(asker, Shelf(folder, self._means.claims))
            except (Refused, OSError) as error:
                _log.warning("pod %s: its volumes were not renewed: %s", pod["metadata"]["name"], error)
