"""The same job once more: its stored TrainJob and bundle under a new name, with a new key.

Works from any kernel, and for jobs that were written in YAML: nothing of the notebook is needed. What a controller or a
stop wrote on the old job does not come along. The runtime is the one that the old job ran in: where the cluster's has
changed or gone since, the new job gets what the record keeps of it as a runtime of its own, as with ``--retries``.
"""

from __future__ import annotations

import copy
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.api.names import suffix
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, SECRETS, TRAININGRUNTIMES, TRAINJOBS, Object
from jupyter_trainjob.api.trainjobs import timeless
from jupyter_trainjob.bundle import copying
from jupyter_trainjob.client import record, retries
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.create import create
from jupyter_trainjob.client.options import LONGEST_NAME
from jupyter_trainjob.constants import (
    FRAMEWORK_LABEL,
    PATCH_MANAGER,
    PYTHON_ANNOTATION,
    RERUN_ANNOTATION,
    RUNTIME_ANNOTATION,
    SENT_ANNOTATION,
    STOPPED_BY_ANNOTATION,
    VARIABLE_ANNOTATION,
)

APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
NOT_COPIED = frozenset({SENT_ANNOTATION, STOPPED_BY_ANNOTATION, APPLIED_ANNOTATION})
QUEUEING = "kueue.x-k8s.io/"
"""Manager of the patches with which a queue placed the old job."""
_SUFFIX = re.compile(r"-[a-z0-9]{5}\Z")


@dataclass(frozen=True)
class Again:
    """A job that was sent again."""

    trainjob: Object
    """As stored."""
    differences: list[str]
    """What is not as it was, in words."""


def rerun(connection: Connection, trainjob: Object) -> Again:
    """Create the copy of a job.

    Raises `errors.UsageError` if what the job came with is gone.
    """
    client, namespace, old = connection.client, trainjob["metadata"]["namespace"], trainjob["metadata"]["name"]
    now = client.find(TRAINJOBS, old, namespace=namespace)
    if now is not None and now["metadata"]["uid"] == trainjob["metadata"]["uid"]:
        trainjob = now
    name = f"{base_name(trainjob)}-{suffix()}"
    bundle = copying.copied(
        trainjob["spec"],
        find=lambda secret: client.find(SECRETS, secret, namespace=namespace),
        old=old,
        new=name,
        namespace=namespace,
        key=secrets.token_bytes(32),
        record=lambda data: record.again(data, of=old),
    )
    kept = record.of(connection, trainjob)
    runtime, why = _runtime(connection, trainjob, name, kept)
    again = renamed(trainjob, bundle.spec, name=name, own_runtime=runtime is not None)
    found = [why] if why else []
    if kept and connection.embedded:
        found += differences(kept, record.here(kept), interpreter=_interpreter(trainjob["spec"]))
    stored = create(connection, again, secrets=bundle.secrets, files=bundle.files, runtime=runtime)
    return Again(stored, found)


def differences(then: Mapping[str, Any], now: Mapping[str, Any], *, interpreter: str | None) -> list[str]:
    """Return what is not as it was, of jobs that run in this computer's Python, from their folder's files.

    `then` is the record, `now` what it would be by now. Another `interpreter` than this one is not looked into.
    """
    found = []
    if interpreter in (None, sys.executable):
        old, new = ({"Python": each["python"], **each["packages"]} for each in (then, now))
        changed = [
            f"{name} {new.get(name) or 'is missing'} (was {was})"
            for name, was in old.items()
            # Some say more of themselves when they are asked, such as 2.15.0+cpu.
            if was and was.partition("+")[0] != new.get(name, "").partition("+")[0]
        ]
        if changed:
            found.append(f"Installed now: {', '.join(changed)}.")
    if then.get("git") and not then["options"].get("files"):
        found += _commit(then["git"], now.get("git"), folder=then["folder"])
    return found


def _commit(then: Mapping[str, Any], now: Mapping[str, Any] | None, *, folder: str) -> list[str]:
    if now is None:
        return [f"The commit of {folder} cannot be told now; it was at {then['commit'][:10]}."]
    if now["commit"] != then["commit"]:
        return [f"Files of {folder} are those of commit {now['commit'][:10]} (was {then['commit'][:10]})."]
    cut = then.get("diff_cut") or now.get("diff_cut")
    if now["diff"] != then["diff"] and not cut:
        return [f"Files of {folder} have other changes since commit {now['commit'][:10]} than they had."]
    return []


def _interpreter(spec: Object) -> str | None:
    """Return the interpreter that the embedded cluster runs a job with."""
    for patch in spec.get("runtimePatches") or ():
        if patch.get("manager") == PATCH_MANAGER:
            for job in patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]:
                annotations = (job["template"]["spec"]["template"].get("metadata") or {}).get("annotations") or {}
                if PYTHON_ANNOTATION in annotations:
                    return str(annotations[PYTHON_ANNOTATION])
    return None


def base_name(trainjob: Object) -> str:
    """Return what the names of a job and of its copies begin with."""
    metadata = trainjob["metadata"]
    name = str(metadata["name"])
    if {VARIABLE_ANNOTATION, RERUN_ANNOTATION} & set(metadata.get("annotations") or {}):
        name = _SUFFIX.sub("", name)
    return name[:LONGEST_NAME].rstrip("-.")


def renamed(trainjob: Object, spec: Object, *, name: str, own_runtime: bool) -> Object:
    """Return the TrainJob to create: `trainjob` as its user asked for it, with the names in `spec`."""
    metadata = trainjob["metadata"]
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in NOT_COPIED}
    spec = {key: value for key, value in copy.deepcopy(spec).items() if key != "suspend"}
    patches = [
        timeless(patch)
        for patch in spec.pop("runtimePatches", None) or ()
        if not str(patch.get("manager")).startswith(QUEUEING)
    ]
    if patches:
        spec["runtimePatches"] = patches
    if own_runtime:
        annotations.setdefault(RUNTIME_ANNOTATION, spec["runtimeRef"]["name"])
        spec["runtimeRef"] = {"apiGroup": TRAININGRUNTIMES.group, "kind": TRAININGRUNTIMES.kind, "name": name}
    made: Object = {"name": name, "namespace": metadata["namespace"]}
    if metadata.get("labels"):
        made["labels"] = dict(metadata["labels"])
    made["annotations"] = {**annotations, RERUN_ANNOTATION: metadata["name"]}
    return {"apiVersion": trainjob["apiVersion"], "kind": trainjob["kind"], "metadata": made, "spec": spec}


def _runtime(connection: Connection, trainjob: Object, name: str, kept: Mapping[str, Any]) -> tuple[Object | None, str]:
    """Return the new job's own runtime, None where it takes the cluster's, and why that is not the old job's."""
    metadata, reference = trainjob["metadata"], trainjob["spec"]["runtimeRef"]
    chosen = (metadata.get("annotations") or {}).get(RUNTIME_ANNOTATION)
    resource = TRAININGRUNTIMES if reference.get("kind") == TRAININGRUNTIMES.kind else CLUSTERTRAININGRUNTIMES
    namespace = metadata["namespace"] if resource is TRAININGRUNTIMES else None
    found = connection.client.find(resource, reference["name"], namespace=namespace)
    snapshot = kept.get("runtime")
    if chosen is not None and found is not None:
        return retries.own_copy(found, job=name, namespace=metadata["namespace"]), ""
    if snapshot is None:
        if found is None:
            raise copying.gone(f"its runtime {reference['name']}")
        return None, ""
    if found is not None and not _has_changed(snapshot, found):
        return None, ""
    restarts = int(kept["options"].get("retries") or 0)
    own = retries.own_copy(snapshot, job=name, namespace=metadata["namespace"], retries=restarts)
    how = "has changed" if found is not None else "is gone"
    why = f"The runtime {reference['name']} {how} since; this job has a copy of it as it was."
    return own, "" if chosen is not None else why


def _has_changed(then: Object, now: Object) -> bool:
    label = FRAMEWORK_LABEL
    frameworks = [(each["metadata"].get("labels") or {}).get(label) for each in (then, now)]
    return bool(then["spec"] != now["spec"] or frameworks[0] != frameworks[1])
