"""Bind each PersistentVolumeClaim to a folder on this computer.

In a real cluster a provisioner creates the volume, and two controllers of kube-controller-manager bind it and protect
it while pods use it. Here a claim's volume is the folder ``claims/<namespace>/<uid>``, which outlives the pods that
mount it and is deleted with the claim. A deleted claim stays, by its finalizer, until no pod uses it.

In: claims and pods. Out: bound claims, and no folder without a claim. The agent creates the folder at the first mount.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from jupyter_trainjob.api.kinds import claims
from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS, PODS, KubeObject
from jupyter_trainjob.cluster.shared_informers import SharedInformers
from jupyter_trainjob.controller.event_recorder import NORMAL, EventRecorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.workqueue import Key

COMPONENT: Final = "jupyter-trainjob-claims"
_TERMINAL_PHASES: Final = frozenset({"Succeeded", "Failed"})


def controller(client: Client, informers: SharedInformers, folder: Path) -> Controller:
    """Return the controller of the claims with volumes in `folder`; the caller starts it."""
    claim_informer, pods = informers.informer_for(PERSISTENTVOLUMECLAIMS), informers.informer_for(PODS)
    recorder = EventRecorder(client, controller=COMPONENT)
    claim_controller = Controller(
        "claims", ClaimReconciler(client, folder, claims=claim_informer, pods=pods, recorder=recorder)
    )
    claim_controller.watch(claim_informer)
    claim_controller.watch(pods, _claim_keys)
    return claim_controller


class ClaimReconciler:
    """Binds claims, and releases deleted ones."""

    def __init__(
        self, client: Client, folder: Path, *, claims: Informer, pods: Informer, recorder: EventRecorder
    ) -> None:
        self._client = client
        self._folder = folder
        self._claims = claims
        self._pods = pods
        self._recorder = recorder

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Bind or release one claim."""
        claim = self._claims.get(name, namespace)
        if claim is None:
            self._remove_orphaned_folders(namespace)
        elif "deletionTimestamp" not in claim["metadata"]:
            self._bind(claim)
        elif claims.PROTECTION in (claim["metadata"].get("finalizers") or ()) and not self._is_in_use(namespace, name):
            self._release(claim)
        return None

    def _bind(self, claim: KubeObject) -> None:
        metadata, volume = claim["metadata"], f"pvc-{claim['metadata']['uid']}"
        address = {"namespace": metadata["namespace"]}
        if not claim["spec"].get("volumeName"):
            patch = {"metadata": {"uid": metadata["uid"]}, "spec": {"volumeName": volume}}
            self._client.patch(PERSISTENTVOLUMECLAIMS, metadata["name"], patch, **address)
            text = f"Successfully provisioned volume {volume}"
            self._recorder.record(claim, kind=NORMAL, reason="ProvisioningSucceeded", message=text)
        wanted = bound_status(claim)
        if (claim.get("status") or {}) != wanted:
            patch = {"metadata": {"uid": metadata["uid"]}, "status": wanted}
            self._client.patch(PERSISTENTVOLUMECLAIMS, metadata["name"], patch, **address, subresource="status")

    def _is_in_use(self, namespace: str, name: str) -> bool:
        return any(
            pod["metadata"]["namespace"] == namespace and is_using(pod) and name in claims.claim_names_of_pod(pod)
            for pod in self._pods.list()
        )

    def _release(self, claim: KubeObject) -> None:
        """Remove the volume, then the finalizer, so that an interruption in between leaves the claim to try again."""
        metadata = claim["metadata"]
        shutil.rmtree(self._folder / metadata["namespace"] / metadata["uid"], ignore_errors=True)
        finalizers = [name for name in metadata["finalizers"] if name != claims.PROTECTION]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
        namespace = metadata["namespace"]
        self._client.patch(PERSISTENTVOLUMECLAIMS, metadata["name"], patch, namespace=namespace)

    def _remove_orphaned_folders(self, namespace: str) -> None:
        """Remove the folders of claims that were deleted without their finalizer."""
        folder = self._folder / namespace
        volumes = list(folder.iterdir()) if folder.is_dir() else []
        # Listed after the folders, so that no folder belongs to a claim created in between.
        claim_uids = {
            claim["metadata"]["uid"] for claim in self._client.list(PERSISTENTVOLUMECLAIMS, namespace=namespace).items
        }
        for volume in volumes:
            if volume.name not in claim_uids:
                shutil.rmtree(volume, ignore_errors=True)


def bound_status(claim: KubeObject) -> KubeObject:
    """Return the status of a bound claim; its capacity is the request."""
    spec = claim["spec"]
    capacity = {"storage": spec["resources"]["requests"]["storage"]}
    return {"phase": "Bound", "accessModes": spec["accessModes"], "capacity": capacity}


def is_using(pod: KubeObject) -> bool:
    """Return whether a pod uses its claims: it has a node and has not terminated."""
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in _TERMINAL_PHASES


def _claim_keys(pod: KubeObject) -> Iterable[Key]:
    return [(str(pod["metadata"]["namespace"]), name) for name in claims.claim_names_of_pod(pod)]
