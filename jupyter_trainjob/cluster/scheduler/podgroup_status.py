"""The PodGroup controller: writes the status of PodGroups. In a real cluster it is part of scheduler-plugins.

The scheduler does not read this status. It is for users: ``kubectl get podgroups`` shows the phase and the numbers of
running, succeeded and failed pods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from threading import Lock

from jupyter_trainjob.api.kinds.podgroups import LABEL
from jupyter_trainjob.api.resources import PODGROUPS, PODS, KubeObject
from jupyter_trainjob.cluster.shared_informers import SharedInformers
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.workqueue import Key

PENDING, SCHEDULING, RUNNING, FINISHED, FAILED = "Pending", "Scheduling", "Running", "Finished", "Failed"
_FINAL = frozenset({FINISHED, FAILED})


def controller(client: Client, informers: SharedInformers | None = None) -> Controller:
    """Return the controller of PodGroups; the caller starts it."""
    informers = informers or SharedInformers(client)
    groups, pods = informers.informer_for(PODGROUPS), informers.informer_for(PODS)
    reconciler = PodGroupReconciler(client, groups=groups)
    pods.on_change(reconciler.observe)
    podgroup_controller = Controller("podgroup", reconciler)
    podgroup_controller.watch(groups)
    podgroup_controller.watch(pods, _group_keys)
    return podgroup_controller


class PodGroupReconciler:
    """Reconciles the status of PodGroups. Call `observe` for every change of a pod."""

    def __init__(self, client: Client, *, groups: Informer) -> None:
        self._client = client
        self._groups = groups
        self._lock = Lock()
        self._pods: dict[Key, dict[str, KubeObject]] = {}
        """The pods of each group, by name."""

    def observe(self, old: KubeObject | None, new: KubeObject | None) -> None:
        """Update the index of pods by group."""
        with self._lock:
            if old is not None:
                for key in _group_keys(old):
                    self._pods.get(key, {}).pop(old["metadata"]["name"], None)
            if new is not None:
                for key in _group_keys(new):
                    self._pods.setdefault(key, {})[new["metadata"]["name"]] = new

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Write the status of one group, if it has changed."""
        with self._lock:
            pods = list(self._pods.get((namespace, name), {}).values())
            if not pods:
                self._pods.pop((namespace, name), None)
        group = self._groups.get(name, namespace)
        if group is None or "deletionTimestamp" in group["metadata"]:
            return None
        status = decide_status(group, pods)
        if status != (group.get("status") or {}):
            patch = {"metadata": {"resourceVersion": group["metadata"]["resourceVersion"]}, "status": status}
            self._client.patch(PODGROUPS, name, patch, namespace=namespace, subresource="status")
        return None


def decide_status(group: KubeObject, pods: Sequence[KubeObject]) -> KubeObject:
    """Return the status of a group with these pods; the phases Finished and Failed are final."""
    current = group.get("status") or {}
    if current.get("phase") in _FINAL:
        return dict(current)
    min_member = int((group.get("spec") or {}).get("minMember") or 0)
    phases = Counter((pod.get("status") or {}).get("phase") for pod in pods)
    running, succeeded, failed = (phases[name] for name in ("Running", "Succeeded", "Failed"))
    counts = {"running": running, "succeeded": succeeded, "failed": failed}
    status = {**current, **{name: number for name, number in counts.items() if number or name in current}}
    if owners := current.get("occupiedBy") or _owners(pods):
        status["occupiedBy"] = owners
    status["phase"] = _phase(min_member, len(pods), running=running, succeeded=succeeded, failed=failed)
    return status


def _phase(min_member: int, pods: int, *, running: int, succeeded: int, failed: int) -> str:
    if pods < min_member or not pods:
        return PENDING
    if succeeded >= min_member:
        return FINISHED
    if failed and failed + running + succeeded >= min_member:
        return FAILED
    return RUNNING if running + succeeded >= min_member else SCHEDULING


def _owners(pods: Sequence[KubeObject]) -> str:
    """Return the owners of the pods in scheduler-plugins' format: ``namespace/name``, separated by commas."""
    references = (pods[0]["metadata"].get("ownerReferences") or ()) if pods else ()
    return ",".join(sorted(f"{pods[0]['metadata']['namespace']}/{owner['name']}" for owner in references))


def _group_keys(pod: KubeObject) -> Iterable[Key]:
    name = (pod["metadata"].get("labels") or {}).get(LABEL)
    return [(pod["metadata"]["namespace"], name)] if name else []
