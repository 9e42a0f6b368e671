"""Run a job again: its stored TrainJob and bundle under a new name, with a new key.

Works from any kernel, and for jobs that were created from YAML, since nothing of the notebook is needed. Fields that a
controller or a stop wrote are not copied. The runtime is that of the old job: if the cluster's runtime has changed or
was deleted, the new job gets its own copy from the record, as with ``--retries``.
"""

from __future__ import annotations

import copy
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.api.kinds.trainjobs import sender_patches
from jupyter_trainjob.api.name_validation import random_suffix
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, SECRETS, TRAININGRUNTIMES, TRAINJOBS, KubeObject
from jupyter_trainjob.api.schemas.omitempty import omit_empty
from jupyter_trainjob.bundle import bundle_copy
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.creation.create import create_job
from jupyter_trainjob.client.reproduce import provenance
from jupyter_trainjob.client.spec import runtime_copy
from jupyter_trainjob.client.spec.job_names import LONGEST_NAME
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
_SUFFIX = re.compile(r"-[a-z0-9]{5}\Z")


@dataclass(frozen=True)
class Rerun:
    """A job that was sent again."""

    trainjob: KubeObject
    """The new TrainJob as stored."""
    differences: list[str]
    """The differences from the old job, a sentence each."""


def rerun(connection: Connection, trainjob: KubeObject) -> Rerun:
    """Create the copy of a job.

    Raises `errors.UsageError` if the job's bundle was deleted.
    """
    client, namespace, old = connection.client, trainjob["metadata"]["namespace"], trainjob["metadata"]["name"]
    now = client.find(TRAINJOBS, old, namespace=namespace)
    if now is not None and now["metadata"]["uid"] == trainjob["metadata"]["uid"]:
        trainjob = now
    name = f"{base_name(trainjob)}-{random_suffix()}"
    bundle = bundle_copy.copy_bundle(
        trainjob["spec"],
        find_secret=lambda secret: client.find(SECRETS, secret, namespace=namespace),
        old=old,
        new=name,
        namespace=namespace,
        key=secrets.token_bytes(32),
        record=lambda data: provenance.record_of_rerun(data, of=old),
    )
    record = provenance.job_record(connection, trainjob)
    runtime, why = _runtime(connection, trainjob, name, record)
    again = renamed(trainjob, bundle.spec, name=name, own_runtime=runtime is not None)
    differences = [why] if why else []
    if record and connection.embedded:
        differences += find_differences(
            record, provenance.current_versions(record), interpreter=_interpreter(trainjob["spec"])
        )
    stored = create_job(connection, again, secrets=bundle.secrets, files=bundle.files, runtime=runtime)
    return Rerun(stored, differences)


def find_differences(then: Mapping[str, Any], now: Mapping[str, Any], *, interpreter: str | None) -> list[str]:
    """Return the differences in packages and git commit, for jobs that run in this computer's Python.

    `then` is the stored record, `now` the record of a job sent now. Packages are compared only if `interpreter` is this
    one.
    """
    differences = []
    if interpreter in (None, sys.executable):
        old, new = ({"Python": record["python"], **record["packages"]} for record in (then, now))
        changed = [
            f"{name} {new.get(name) or 'is missing'} (was {was})"
            for name, was in old.items()
            # Some modules report a longer version than their metadata, such as 2.15.0+cpu.
            if was and was.partition("+")[0] != new.get(name, "").partition("+")[0]
        ]
        if changed:
            differences.append(f"Installed now: {', '.join(changed)}.")
    if then.get("git") and not then["options"].get("files"):
        differences += _commit(then["git"], now.get("git"), folder=then["folder"])
    return differences


def _commit(then: Mapping[str, Any], now: Mapping[str, Any] | None, *, folder: str) -> list[str]:
    if now is None:
        return [f"The commit of {folder} is unknown now; it was {then['commit'][:10]}."]
    if now["commit"] != then["commit"]:
        return [f"Files of {folder} are those of commit {now['commit'][:10]} (was {then['commit'][:10]})."]
    cut = then.get("diff_cut") or now.get("diff_cut")
    if now["diff"] != then["diff"] and not cut:
        return [f"Files of {folder} have different uncommitted changes on commit {now['commit'][:10]}."]
    return []


def _interpreter(spec: KubeObject) -> str | None:
    """Return the interpreter that the embedded cluster runs a job with."""
    for patch in spec.get("runtimePatches") or ():
        if patch.get("manager") == PATCH_MANAGER:
            for job in patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]:
                annotations = (job["template"]["spec"]["template"].get("metadata") or {}).get("annotations") or {}
                if PYTHON_ANNOTATION in annotations:
                    return str(annotations[PYTHON_ANNOTATION])
    return None


def base_name(trainjob: KubeObject) -> str:
    """Return the common prefix of the names of a job and its reruns."""
    metadata = trainjob["metadata"]
    name = str(metadata["name"])
    if {VARIABLE_ANNOTATION, RERUN_ANNOTATION} & set(metadata.get("annotations") or {}):
        name = _SUFFIX.sub("", name)
    return name[:LONGEST_NAME].rstrip("-.")


def renamed(trainjob: KubeObject, spec: KubeObject, *, name: str, own_runtime: bool) -> KubeObject:
    """Return the TrainJob to create: the user-set fields of `trainjob`, with the names in `spec`."""
    metadata = trainjob["metadata"]
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in NOT_COPIED}
    spec = {key: value for key, value in copy.deepcopy(spec).items() if key != "suspend"}
    spec["runtimePatches"] = sender_patches(spec)
    if own_runtime:
        annotations.setdefault(RUNTIME_ANNOTATION, spec["runtimeRef"]["name"])
        spec["runtimeRef"] = {"apiGroup": TRAININGRUNTIMES.group, "kind": TRAININGRUNTIMES.kind, "name": name}
    new_metadata: KubeObject = {"name": name, "namespace": metadata["namespace"]}
    if metadata.get("labels"):
        new_metadata["labels"] = dict(metadata["labels"])
    new_metadata["annotations"] = {**annotations, RERUN_ANNOTATION: metadata["name"]}
    return omit_empty(
        {"apiVersion": trainjob["apiVersion"], "kind": trainjob["kind"], "metadata": new_metadata, "spec": spec}
    )


def _runtime(
    connection: Connection, trainjob: KubeObject, name: str, record: Mapping[str, Any]
) -> tuple[KubeObject | None, str]:
    """Return the new job's copy of its runtime (None to use the cluster's), and the difference from the old job's."""
    metadata, reference = trainjob["metadata"], trainjob["spec"]["runtimeRef"]
    chosen = (metadata.get("annotations") or {}).get(RUNTIME_ANNOTATION)
    resource = TRAININGRUNTIMES if reference.get("kind") == TRAININGRUNTIMES.kind else CLUSTERTRAININGRUNTIMES
    namespace = metadata["namespace"] if resource is TRAININGRUNTIMES else None
    current = connection.client.find(resource, reference["name"], namespace=namespace)
    snapshot = record.get("runtime")
    if chosen is not None and current is not None:
        return runtime_copy.own_copy(current, job=name, namespace=metadata["namespace"]), ""
    if snapshot is None:
        if current is None:
            raise bundle_copy.missing_part_error(f"its runtime {reference['name']}")
        return None, ""
    if current is not None and not _has_changed(snapshot, current):
        return None, ""
    restarts = int(record["options"].get("retries") or 0)
    own = runtime_copy.own_copy(snapshot, job=name, namespace=metadata["namespace"], retries=restarts)
    how = "has changed" if current is not None else "is gone"
    why = f"The runtime {reference['name']} {how} since; this job uses a copy of the earlier version."
    return own, "" if chosen is not None else why


def _has_changed(then: KubeObject, now: KubeObject) -> bool:
    label = FRAMEWORK_LABEL
    frameworks = [(runtime["metadata"].get("labels") or {}).get(label) for runtime in (then, now)]
    return bool(then["spec"] != now["spec"] or frameworks[0] != frameworks[1])
