"""Jobs in a queue of Kueue (https://kueue.sigs.k8s.io): why they wait, their position, how to pause them.

Kueue suspends a TrainJob with a queue label and creates a Workload for it, whose conditions show why it waits. Kueue
reverts changes of ``spec.suspend``, so a job is paused by ``spec.active`` of its Workload. All functions but `pause`
and `activate` only explain; without access to the Workload or the queue, the explanation is shorter.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject, Resource
from jupyter_trainjob.client.diagnosis.kubernetes_reasons import Cause
from jupyter_trainjob.constants import (
    KUEUE_GROUP,
    KUEUE_JOB_UID_LABEL,
    KUEUE_PATCH_MANAGER,
    KUEUE_QUEUE_LABEL,
    KUEUE_VISIBILITY_GROUP,
)
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request

MAX_SELECTED_UIDS: Final = 50
"""Limit for uids in a label selector; for more jobs, all Workloads of the namespace are listed."""
WORKLOAD_TIMEOUT: Final = 3.0
"""Seconds to wait for Kueue to create the Workload of a new job."""

_preferred_versions: weakref.WeakKeyDictionary[Client, dict[str, str]] = weakref.WeakKeyDictionary()
"""The preferred version of each API group by cluster; Kueue's differs between releases."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why Kueue holds a job."""

    cause: Cause
    active: bool = True
    """False if the Workload is paused, so that the job does not start by itself."""


def is_managed(trainjob: KubeObject) -> bool:
    """Whether Kueue decides when a TrainJob runs: it has a queue label and a patch of Kueue's webhook."""
    patches = trainjob["spec"].get("runtimePatches") or ()
    return bool(queue_name(trainjob)) and any(patch.get("manager") == KUEUE_PATCH_MANAGER for patch in patches)


def is_held(trainjob: KubeObject) -> bool:
    """Whether a TrainJob waits for Kueue."""
    return bool(trainjob["spec"].get("suspend")) and is_managed(trainjob)


def queue_name(trainjob: KubeObject) -> str:
    """Return the name of the LocalQueue of a TrainJob; empty if it has none."""
    return str((trainjob["metadata"].get("labels") or {}).get(KUEUE_QUEUE_LABEL) or "")


def explain_holds(client: Client, namespace: str, trainjobs: Iterable[KubeObject]) -> dict[str, Hold]:
    """Return why Kueue holds `trainjobs` of a namespace, by uid; jobs that it does not hold are left out."""
    held = {str(trainjob["metadata"]["uid"]): trainjob for trainjob in trainjobs if is_held(trainjob)}
    if not held:
        return {}
    workloads = _readable_workloads(client, namespace, held)
    waiting = {queue_name(held[uid]) for uid, workload in workloads.items() if _is_pending(workload)}
    positions = {queue: _queue_positions(client, namespace, queue) for queue in waiting}
    reasons = {}
    for uid, trainjob in held.items():
        workload = workloads.get(uid)
        name = workload["metadata"]["name"] if workload else ""
        reasons[uid] = explain_hold(trainjob, workload, positions.get(queue_name(trainjob), {}).get(name))
    return reasons


def explain_hold(trainjob: KubeObject, workload: KubeObject | None, position: int | None = None) -> Hold:
    """Return why Kueue holds a job, from its Workload and its position in the queue, counted from 0. Pure."""
    queue = queue_name(trainjob)
    if workload is None:
        return Hold(Cause(f"Kueue holds it in the queue {queue!r}"))
    evicted = _true_condition(workload, "Evicted")
    if workload["spec"].get("active") is False:
        since = f" ({evicted['message'].rstrip('.')})" if evicted and evicted.get("message") else ""
        return Hold(Cause(f"Kueue keeps it paused{since}", "resume() lets it queue again."), active=False)
    checks = [
        check for check in (workload.get("status") or {}).get("admissionChecks") or () if check["state"] != "Ready"
    ]
    if _true_condition(workload, "Admitted") and not evicted:
        return Hold(
            Cause(
                f"Kueue has admitted it from the queue {queue!r}, and will start it",
                "If that lasts, send it again with rerun(): an empty field in a TrainJob, such as env: [], keeps Kueue "
                "from starting it.",
            )
        )
    if _true_condition(workload, "QuotaReserved") and checks and not evicted:
        names = "; ".join(": ".join(filter(None, (check["name"], check.get("message")))) for check in checks)
        return Hold(Cause(f"Kueue holds it in the queue {queue!r} for its admission checks ({names})"))
    where = f"Kueue holds it in the queue {queue!r}" + (f", place {position + 1}" if position is not None else "")
    pending = conditions.get_condition(workload, "QuotaReserved") or {}
    why = _explain_quota(str(pending.get("message") or "")) if pending.get("status") == "False" else Cause("")
    parts = [_explain_eviction(workload, evicted), why.text] if evicted else [why.text]
    return Hold(Cause(": ".join(filter(None, (where, "; ".join(filter(None, parts))))), why.remedy))


def pause(client: Client, trainjob: KubeObject) -> bool:
    """Keep Kueue from running a job; False if it has no Workload. Raises `errors.UsageError` without permission."""
    return _set_active(client, trainjob, active=False)


def activate(client: Client, trainjob: KubeObject) -> bool:
    """Let a job that was paused queue again; False if it has no Workload. Raises as `pause`."""
    return _set_active(client, trainjob, active=True)


def _set_active(client: Client, trainjob: KubeObject, *, active: bool) -> bool:
    if not is_managed(trainjob):
        return False
    name, namespace = trainjob["metadata"]["name"], trainjob["metadata"]["namespace"]
    until = time.monotonic() + WORKLOAD_TIMEOUT
    try:
        while (workload := _find_workload(client, trainjob)) is None:
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        resource = _workload_resource(client)
        client.patch(resource, workload["metadata"]["name"], {"spec": {"active": active}}, namespace=namespace)
    except errors.NotFound:  # Kueue was uninstalled after its webhook patched the job.
        return False
    except errors.Forbidden as error:
        verb, undone = ("resumed", "suspend it again") if active else ("stopped", "start it again")
        raise errors.UsageError(
            f"{name} was not {verb}. Kueue manages it and would {undone}, so its Workload has to be changed, and you "
            f"may not patch workloads.{KUEUE_GROUP} in namespace {namespace} ({error.message}). Ask for that "
            "permission (Kueue's role workload-editor-role has it), or delete the job."
        ) from error
    return True


def _find_workload(client: Client, trainjob: KubeObject) -> KubeObject | None:
    uid = str(trainjob["metadata"]["uid"])
    workloads = _list_workloads(client, trainjob["metadata"]["namespace"], [uid])
    return workloads.get(uid)


def _readable_workloads(client: Client, namespace: str, uids: Iterable[str]) -> dict[str, KubeObject]:
    try:
        return _list_workloads(client, namespace, list(uids))
    except errors.ApiError:  # Permission to read Workloads is optional.
        return {}


def _list_workloads(client: Client, namespace: str, uids: Sequence[str]) -> dict[str, KubeObject]:
    """Return the Workloads of jobs by the uid of the job."""
    label = KUEUE_JOB_UID_LABEL
    selector = f"{label} in ({','.join(uids)})" if len(uids) <= MAX_SELECTED_UIDS else label
    items = client.list(_workload_resource(client), namespace=namespace, labels=selector).items
    return {str(workload["metadata"]["labels"][label]): workload for workload in items}


def _workload_resource(client: Client) -> Resource:
    return Resource(KUEUE_GROUP, _preferred_version(client, KUEUE_GROUP), "Workload", "workloads")


def _queue_positions(client: Client, namespace: str, queue: str) -> Mapping[str, int]:
    """Return the queue position of each waiting Workload; empty if the visibility API is off or forbidden."""
    try:
        version = _preferred_version(client, KUEUE_VISIBILITY_GROUP)
        queues = Resource(KUEUE_VISIBILITY_GROUP, version, "LocalQueue", "localqueues")
        items = _get_json(client, queues.path(namespace, queue, "pendingworkloads")).get("items") or ()
    except errors.ApiError:
        return {}
    return {str(item["metadata"]["name"]): int(item["positionInLocalQueue"]) for item in items}


def _preferred_version(client: Client, group: str) -> str:
    versions = _preferred_versions.setdefault(client, {})
    if group not in versions:
        versions[group] = str(_get_json(client, f"/apis/{group}")["preferredVersion"]["version"])
    return versions[group]


def _get_json(client: Client, path: str) -> KubeObject:
    answer: KubeObject = json.loads(client.raw(Request("GET", path)).read())
    return answer


def _is_pending(workload: KubeObject) -> bool:
    return workload["spec"].get("active") is not False and not _true_condition(workload, "QuotaReserved")


def _true_condition(workload: KubeObject, name: str) -> KubeObject | None:
    condition = conditions.get_condition(workload, name)
    return condition if condition and condition["status"] == "True" else None


_QUOTA_IN_USE: Final = "insufficient unused quota for "
_OVER_CAPACITY: Final = "maximum capacity"


def _explain_quota(message: str) -> Cause:
    """Explain why a Workload has no quota (messages of Kueue's pkg/scheduler/flavorassigner)."""
    if _QUOTA_IN_USE in message:
        return Cause(f"not enough free quota ({message.rstrip('.')})")
    if _OVER_CAPACITY in message:
        return Cause(
            f"it asks for more than the queue may ever have ({message.rstrip('.')})",
            "Ask for less with --nodes, --cpus, --memory or --gpus.",
        )
    return Cause(message.rstrip("."))


_PREEMPTION_REASONS: Final = {
    "InClusterQueue": "a more important job of the same queue needed its quota",
    "InCohortReclamation": "another queue took back quota that it had lent",
    "InCohortFairSharing": "another queue got its fair share of the quota",
    "InCohortReclaimWhileBorrowing": "another queue took back quota that it had lent",
}
"""Why a job was preempted, by the reason of the Workload's condition Preempted."""


def _explain_eviction(workload: KubeObject, evicted: KubeObject) -> str:
    """Explain why a job that ran before waits again."""
    preempted = _true_condition(workload, "Preempted")
    if evicted.get("reason") == "Preempted" and preempted:
        why = _PREEMPTION_REASONS.get(str(preempted.get("reason")), str(preempted.get("message") or "").rstrip("."))
        return f"it was preempted, since {why}, and continues automatically"
    return f"it was evicted ({str(evicted.get('message') or evicted.get('reason')).rstrip('.')})"
