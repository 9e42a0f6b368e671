"""The controller of PersistentVolumeClaims: each one is bound at once to a folder on this computer.

In a real cluster a provisioner makes the volume, and two controllers of kube-controller-manager bind it and protect it
while pods use it. Here a claim's volume is the folder ``claims/<namespace>/<uid>``, which outlives the pods that mount
it and goes with the claim: a claim that is deleted stays, by its finalizer, until no pod uses it.

In: claims and pods. Out: bound claims, and no folder without one. The agent makes a folder when a pod mounts it first.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from jupyter_trainjob.api import claims
from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS, PODS, Object
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.controller.events import NORMAL, Recorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.workqueue import Key

COMPONENT: Final = "jupyter-trainjob-claims"
_ENDED: Final = frozenset({"Succeeded", "Failed"})


def controller(client: Client, informers: Informers, folder: Path) -> Controller:
    """Return the controller of the claims whose volumes lie in `folder`, not started."""
    found, pods = informers.of(PERSISTENTVOLUMECLAIMS), informers.of(PODS)
    recorder = Recorder(client, controller=COMPONENT)
    made = Controller("claims", ClaimReconciler(client, folder, claims=found, pods=pods, recorder=recorder))
    made.watch(found)
    made.watch(pods, _mounted)
    return made


class ClaimReconciler:
    """Binds one claim, or lets it go."""

    def __init__(self, client: Client, folder: Path, *, claims: Informer, pods: Informer, recorder: Recorder) -> None:
        self._client = client
        self._folder = folder
        self._claims = claims
        self._pods = pods
        self._recorder = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Bring one claim where it should be."""
        claim = self._claims.get(name, namespace)
        if claim is None:
            self._sweep(namespace)
        elif "deletionTimestamp" not in claim["metadata"]:
            self._bind(claim)
        elif claims.PROTECTION in (claim["metadata"].get("finalizers") or ()) and not self._used(namespace, name):
            self._release(claim)
        return None

    def _bind(self, claim: Object) -> None:
        metadata, volume = claim["metadata"], f"pvc-{claim['metadata']['uid']}"
        address = {"namespace": metadata["namespace"]}
        if not claim["spec"].get("volumeName"):
            patch = {"metadata": {"uid": metadata["uid"]}, "spec": {"volumeName": volume}}
            self._client.patch(PERSISTENTVOLUMECLAIMS, metadata["name"], patch, **address)
            text = f"Successfully provisioned volume {volume}"
            self._recorder.record(claim, kind=NORMAL, reason="ProvisioningSucceeded", message=text)
        wanted = bound(claim)
        if (claim.get("status") or {}) != wanted:
            patch = {"metadata": {"uid": metadata["uid"]}, "status": wanted}
            self._client.patch(PERSISTENTVOLUMECLAIMS, metadata["name"], patch, **address, subresource="status")

    def _used(self, namespace: str, name: str) -> bool:
        return any(
            pod["metadata"]["namespace"] == namespace and is_using(pod) and name in claims.of_pod(pod)
            for pod in self._pods.list()
        )

    def _release(self, claim: Object) -> None:
        """Remove the volume, then let the claim go: interrupted in between, the claim is still there to be asked."""
        metadata = claim["metadata"]
        shutil.rmtree(self._folder / metadata["namespace"] / metadata["uid"], ignore_errors=True)
        kept = [each for each in metadata["finalizers"] if each != claims.PROTECTION]
        marks = {"resourceVersion": metadata["resourceVersion"], "finalizers": kept}
        namespace = metadata["namespace"]
        self._client.patch(PERSISTENTVOLUMECLAIMS, metadata["name"], {"metadata": marks}, namespace=namespace)

    def _sweep(self, namespace: str) -> None:
        """Remove the folders of claims that somebody deleted past their finalizer."""
        folder = self._folder / namespace
        volumes = list(folder.iterdir()) if folder.is_dir() else []
        # Asked after the look at the folders, so that none of them belongs to a claim that came later.
        known = {
            each["metadata"]["uid"] for each in self._client.list(PERSISTENTVOLUMECLAIMS, namespace=namespace).items
        }
        for volume in volumes:
            if volume.name not in known:
                shutil.rmtree(volume, ignore_errors=True)


def bound(claim: Object) -> Object:
    """Return the status of a claim that has its volume: what it asked for is what it gets."""
    spec = claim["spec"]
    capacity = {"storage": spec["resources"]["requests"]["storage"]}
    return {"phase": "Bound", "accessModes": spec["accessModes"], "capacity": capacity}


def is_using(pod: Object) -> bool:
    """Return whether a pod holds on to its claims: one that has a node and has not ended."""
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in _ENDED


def _mounted(pod: Object) -> Iterable[Key]:
    return [(str(pod["metadata"]["namespace"]), name) for name in claims.of_pod(pod)]
