"""PodGroups' status: how far the pods of a group are. In a real cluster this is scheduler-plugins' controller.

Nothing here schedules; the scheduler goes by spec and pods alone. What is written is for people: ``kubectl get
podgroups`` shows the phase and how many pods run, have succeeded and have failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from threading import Lock

from jupyter_trainjob.api.podgroups import LABEL
from jupyter_trainjob.api.resources import PODGROUPS, PODS, Object
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.workqueue import Key

PENDING, SCHEDULING, RUNNING, FINISHED, FAILED = "Pending", "Scheduling", "Running", "Finished", "Failed"
_FINAL = frozenset({FINISHED, FAILED})


def controller(client: Client, informers: Informers | None = None) -> Controller:
    """Return the controller of PodGroups, not started."""
    informers = informers or Informers(client)
    groups, pods = informers.of(PODGROUPS), informers.of(PODS)
    reconciler = PodGroupStatus(client, groups=groups)
    pods.on_change(reconciler.see)
    made = Controller("podgroup", reconciler)
    made.watch(groups)
    made.watch(pods, _group_of)
    return made


class PodGroupStatus:
    """Writes the status of PodGroups. `see` is to be called for every change of a pod."""

    def __init__(self, client: Client, *, groups: Informer) -> None:
        self._client = client
        self._groups = groups
        self._lock = Lock()
        self._pods: dict[Key, dict[str, Object]] = {}
        """The pods of each group, by name."""

    def see(self, old: Object | None, new: Object | None) -> None:
        """Remember which pods a group has: most pods are in none."""
        with self._lock:
            if old is not None:
                for key in _group_of(old):
                    self._pods.get(key, {}).pop(old["metadata"]["name"], None)
            if new is not None:
                for key in _group_of(new):
                    self._pods.setdefault(key, {})[new["metadata"]["name"]] = new

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Write how far one group is, if that is new."""
        with self._lock:
            pods = list(self._pods.get((namespace, name), {}).values())
            if not pods:
                self._pods.pop((namespace, name), None)
        group = self._groups.get(name, namespace)
        if group is None or "deletionTimestamp" in group["metadata"]:
            return None
        status = decide(group, pods)
        if status != (group.get("status") or {}):
            patch = {"metadata": {"resourceVersion": group["metadata"]["resourceVersion"]}, "status": status}
            self._client.patch(PODGROUPS, name, patch, namespace=namespace, subresource="status")
        return None


def decide(group: Object, pods: Sequence[Object]) -> Object:
    """Return the status of a group with these pods; one that has finished or failed stays as it is."""
    before = group.get("status") or {}
    if before.get("phase") in _FINAL:
        return dict(before)
    least = int((group.get("spec") or {}).get("minMember") or 0)
    phases = Counter((pod.get("status") or {}).get("phase") for pod in pods)
    running, succeeded, failed = (phases[name] for name in ("Running", "Succeeded", "Failed"))
    counted = {"running": running, "succeeded": succeeded, "failed": failed}
    status = {**before, **{name: number for name, number in counted.items() if number or name in before}}
    if owners := before.get("occupiedBy") or _owners(pods):
        status["occupiedBy"] = owners
    status["phase"] = _phase(least, len(pods), running=running, succeeded=succeeded, failed=failed)
    return status


def _phase(least: int, pods: int, *, running: int, succeeded: int, failed: int) -> str:
    if pods < least or not pods:
        return PENDING
    if succeeded >= least:
        return FINISHED
    if failed and failed + running + succeeded >= least:
        return FAILED
    return RUNNING if running + succeeded >= least else SCHEDULING


def _owners(pods: Sequence[Object]) -> str:
    """Return whose pods they are, as scheduler-plugins writes it."""
    references = (pods[0]["metadata"].get("ownerReferences") or ()) if pods else ()
    return ",".join(sorted(f"{pods[0]['metadata']['namespace']}/{each['name']}" for each in references))


def _group_of(pod: Object) -> Iterable[Key]:
    name = (pod["metadata"].get("labels") or {}).get(LABEL)
    return [(pod["metadata"]["namespace"], name)] if name else []
